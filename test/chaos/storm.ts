import { unreachable } from '../../errors/unreachable.js'
import type { Place } from '../cli/puzzleflow.js'
import { commandLine, pause } from '../../server/index.js'
import { childrenOf, kill, serverOf } from '../processes.js'
import type { Attempt, Attempts } from './attempts.js'
import type { Keeper } from './keeper.js'
import type { Kind, PlannedKill } from './schedule.js'

/** A kill that was. */
export interface Kill {
  readonly kind: Kind
  readonly pids: readonly number[]
  /** Stage that it was meant for, and the tasks that ran. */
  readonly stage: string
  readonly hit: readonly string[]
  /** Seconds since the beginning. */
  readonly at: number
}

/** A search that stands still for so long has not survived. */
const patience = 180_000

/** The search has ended before the kill could be, or moves no more. */
type Missed = 'finished' | 'stuck'

/** Kills processes of one search. */
export class Storm {
  private readonly begin = performance.now()
  private moved = performance.now()
  private lines = 0

  constructor(
    private readonly place: Place,
    private readonly stateHome: string,
    private readonly keeper: Keeper,
    private readonly attempts: Attempts,
    private readonly order: readonly string[],
  ) {}

  /** Waits for the moment of a kill, and does it. */
  async strike({ kind, stage, delay, atWork }: PlannedKill): Promise<Kill | Missed> {
    let missed = await this.until(() => this.at(stage))
    if (missed) return missed
    const end = performance.now() + delay
    // Where the stage is over before, now is the moment for those after it.
    missed = await this.until(
      () => (performance.now() > end && (!atWork || this.runs((own) => own.stage === stage))) || this.over(stage),
    )
    if (missed) return missed
    let pids: readonly number[] = []
    missed = await this.until(() => (pids = this.victims(kind)).length > 0)
    if (missed) return missed
    const hit = this.attempts.running().map(({ stage, task }) => `${stage}/${task}`)
    const at = (performance.now() - this.begin) / 1000
    pids.forEach(kill)
    while (pids.some((pid) => commandLine(pid) !== '')) await pause(5)
    return { kind, pids, stage, hit, at }
  }

  /** Waits for the end of the search. */
  async ended(): Promise<Missed> {
    return (await this.until(() => false))!
  }

  private async until(condition: () => boolean): Promise<Missed | undefined> {
    for (;;) {
      if (this.keeper.finished) return 'finished'
      if (condition()) return undefined
      this.attempts.update()
      const now = performance.now()
      const lines = this.attempts.lines
      if (lines > this.lines) this.moved = now
      this.lines = lines
      if (this.keeper.gaveUp || now - this.moved > patience) return 'stuck'
      await pause(5)
    }
  }

  private readonly runs = (wanted: (attempt: Attempt) => boolean) => this.attempts.running().some(wanted)
  private at(stage: string): boolean {
    return this.over(stage) || this.runs((attempt) => attempt.stage === stage)
  }
  /** A later stage runs. */
  private over(stage: string): boolean {
    const place = this.order.indexOf(stage)
    return this.runs((attempt) => this.order.indexOf(attempt.stage) > place)
  }

  /** Processes of a kind, found by the store and the state directory of this search alone. */
  private victims(kind: Kind): readonly number[] {
    const { worker } = this.place
    const defined = (pid: number | undefined) => (pid === undefined ? [] : [pid])
    switch (kind) {
      case 'cli':
        return defined(this.keeper.pid)
      case 'worker':
        return defined(worker)
      case 'child': {
        const working = this.attempts.running().map(({ pid }) => pid)
        return (worker === undefined ? [] : childrenOf(worker)).filter((pid) => working.includes(pid)).slice(0, 1)
      }
      case 'server':
        return defined(serverOf(this.stateHome))
      case 'all':
        return (['cli', 'worker', 'server'] as const)
          .flatMap((one) => this.victims(one))
          .concat(worker === undefined ? [] : childrenOf(worker))
      default:
        return unreachable(kind)
    }
  }
}
