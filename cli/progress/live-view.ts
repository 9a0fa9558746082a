import type { FrozenPlan } from '../../spec/frozen-plan.js'
import type { Store } from '../../store/index.js'
import { processors } from '../../tensor/processors.js'
import { colours } from '../output.js'
import { readRun } from '../runs.js'
import { frame } from './frame.js'
import { runLeft, workBefore, type WorkKnown } from './run-left.js'
import { Screen, type Terminal } from './screen.js'
import type { Sighting, Watcher } from './sighting.js'

/** A view of a run that is drawn again in the same place of a terminal. */
export class LiveView implements Watcher {
  /** Seconds from one question for the tasks at work to the next. */
  readonly looksEvery = 2
  private readonly screen: Screen
  private readonly timer: NodeJS.Timeout
  private last: Sighting | undefined
  private plan: { readonly stages: FrozenPlan['stages']; readonly known: WorkKnown } | undefined

  constructor(store: Store, run: string, terminal: Terminal = process.stderr) {
    this.screen = new Screen(terminal, (columns, rows) => this.draw(columns, rows))
    // The time that has passed changes without news.
    this.timer = setInterval(() => this.screen.refresh(), 1000)
    void this.lookUp(store, run)
  }

  see(sighting: Sighting): void {
    // A question without an answer does not undo what was seen.
    this.last = { ...sighting, progress: sighting.progress ?? this.last?.progress }
    this.screen.refresh()
  }

  end(): void {
    clearInterval(this.timer)
    this.screen.end()
  }

  /** What the time of the whole run is guessed from. Without it the view shows the times of stages alone. */
  private async lookUp(store: Store, run: string): Promise<void> {
    try {
      const { plan, ...noted } = await readRun(store, run)
      const { stages } = (await store.readJson(plan)) as FrozenPlan
      const expected = new Map(Object.entries(noted.expected ?? {}))
      // Reading records takes a while.
      this.plan = { stages, known: { expected, before: new Map() } }
      if (!stages.every(({ name }) => expected.has(name)))
        this.plan = { stages, known: { expected, before: await workBefore(store) } }
    } catch {
      // Whoever follows the run says what is amiss with the store.
    }
  }

  private draw(columns: number, rows: number): string[] {
    if (!this.last) return []
    const unicode = /utf-?8/i.test(process.env.LC_ALL || process.env.LC_CTYPE || process.env.LANG || '')
    const left = this.plan && runLeft(this.last, this.plan.stages, this.plan.known, processors())
    return frame({ ...this.last, left }, { columns, rows, now: Date.now(), colours, unicode })
  }
}
