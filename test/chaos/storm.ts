import { unreachable } from '../../errors/unreachable.js'
import type { Place } from '../cli/puzzleflow.js'
import { commandLine, pause } from '../../server/index.js'
import { childrenOf, kill, serverOf } from '../processes.js'
import type { Attempt, Attempts } from './attempts.js'
import type { Keeper } from './keeper.js'
import type { Kind, PlannedKill } from './schedule.js'

/** A kill that happened. */
export interface Kill {
  readonly kind: Kind
  readonly pids: readonly number[]
  /** The stage that it was meant for, and the tasks that were running. */
  readonly stage: string
  readonly hit: readonly string[]
  /** Seconds since the start. */
  readonly at: number
}

/** Milliseconds without progress after which a search counts as stuck. */
const patience = 180_000

/** The search ended before the kill, or is stuck. */
type Missed = 'finished' | 'stuck'

/** Kills the processes of a search. */
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

  /** Waits for the planned moment, then kills. */
  async strike({ kind, stage, delay, atWork }: PlannedKill): Promise<Kill | Missed> {
    let missed = await this.until(() => this.at(stage))
    if (missed) return missed
    const end = performance.now() + delay
    // If the stage ends earlier, kill in the stage that follows.
    missed = await this.until(
      () =>
        (performance.now() > end && (!atWork || this.runs((attempt) => attempt.stage === stage))) || this.over(stage),
    )
    if (missed) return missed
    let pids: readonly number[] = []
    missed = await this.until(() => (pids = this.victims(kind)).length > 0)
    if (missed) return missed
    const hit = this.attempts.running().map(({ stage, task }) => `${stage}/${task}`)
    const at = (performance.now() - this.begin) / 1000
    pids.forEach(kill)
    // A process that is no child of this one says nothing when it ends: it is looked for.
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
      // Kills come at a time within a stage: attempts are read from a log that other processes write.
      await pause(5)
    }
  }

  private readonly runs = (wanted: (attempt: Attempt) => boolean) => this.attempts.running().some(wanted)
  private at(stage: string): boolean {
    return this.over(stage) || this.runs((attempt) => attempt.stage === stage)
  }
  /** Whether a later stage is running. */
  private over(stage: string): boolean {
    const place = this.order.indexOf(stage)
    return this.runs((attempt) => this.order.indexOf(attempt.stage) > place)
  }

  /** Processes of a kind, identified by this search's store and state directory. */
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
          .flatMap((part) => this.victims(part))
          .concat(worker === undefined ? [] : childrenOf(worker))
      default:
        return unreachable(kind)
    }
  }
}
