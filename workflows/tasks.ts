import { CancellationScope, CancelledFailure, condition, isCancellation } from '@temporalio/workflow'
import { describeFailure } from './failures.js'
import type { Pace } from './messages.js'
import type { StageNode, TaskDone, TaskRef, TaskResult } from './types.js'

export interface TasksOptions {
  readonly node: StageNode
  readonly pace: Pace
  /** Does one attempt; its cancellation stops the task with a checkpoint. */
  readonly execute: (task: TaskRef) => Promise<TaskDone>
  /** Told of a task that waits for somebody's decision, and when it does not any more. */
  readonly onTrouble?: (task: TaskRef, failure: { message: string; remedy?: string } | undefined) => void
  readonly onResult?: (task: TaskRef, result: TaskResult) => void
  /** Told when a failure lets only those finish that run. */
  readonly onEnding?: () => void
}

/** How an attempt ended that is no result. */
type Unfinished = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly error: Error }

/** Runs tasks at a pace that can change, with the stage's policy for those that fail. */
export class Tasks {
  private pace: Pace
  private running = 0
  /** The first failure that ends the stage: no task begins after it. */
  private failed: Error | undefined
  private readonly scopes = new Map<string, CancellationScope>()
  private readonly skipped = new Map<string, string>()
  private readonly again = new Set<string>()
  /** Those that could begin if there were a place, or if it were not paused. */
  private readonly waiting = new Map<string, TaskRef>()

  constructor(private readonly options: TasksOptions) {
    this.pace = options.pace
  }

  setPace(pace: Pace): void {
    this.pace = pace
    // Running tasks stop, with a checkpoint; they begin again when it goes on.
    if (pace.paused) for (const scope of this.scopes.values()) scope.cancel()
  }

  /** A new attempt now, whatever the task waits for. */
  retry(id: string): void {
    this.again.add(id)
    this.scopes.get(id)?.cancel()
  }

  /** The task is left out, running or not. */
  skip(id: string, reason: string): void {
    this.skipped.set(id, reason)
    this.scopes.get(id)?.cancel()
  }

  /** All tasks, results in their order; of a stage that is ending there may be fewer.
   *  @throws the failure that ended the stage, when nothing runs any more */
  async run(tasks: readonly TaskRef[]): Promise<TaskResult[]> {
    const settled = await Promise.allSettled(
      tasks.map(async (task) => {
        const result = await this.one(task)
        if (result) this.options.onResult?.(task, result)
        return result
      }),
    )
    if (this.failed) throw this.failed
    return settled.flatMap((own) => {
      if (own.status === 'rejected') throw own.reason
      return own.value ?? []
    })
  }

  private async one(task: TaskRef): Promise<TaskResult | undefined> {
    for (;;) {
      // Asked again after the waiting: those that waited with it may have taken the place just now.
      this.waiting.set(task.id, task)
      while (!this.mayBegin(task.id)) await condition(() => this.mayBegin(task.id))
      this.waiting.delete(task.id)
      const reason = this.skipped.get(task.id)
      if (reason !== undefined) return { kind: 'skipped', reason }
      if (this.ending) return undefined
      const outcome = await this.attempt(task)
      if (outcome.kind === 'done') return outcome
      if (outcome.kind === 'stopped') continue
      const failure = describeFailure(outcome.error)
      switch (this.options.node.onFailure ?? 'fail-fast') {
        case 'fail-fast':
          this.failed ??= outcome.error
          for (const other of this.scopes.values()) other.cancel()
          return undefined
        case 'finish-running':
          this.failed ??= outcome.error
          this.options.onEnding?.()
          return undefined
        case 'continue':
          return { kind: 'skipped', reason: failure.message, failed: true }
        case 'wait':
          this.options.onTrouble?.(task, failure)
          await condition(() => this.again.has(task.id) || this.skipped.has(task.id) || this.ending)
          this.options.onTrouble?.(task, undefined)
      }
    }
  }

  private async attempt(task: TaskRef): Promise<({ readonly kind: 'done' } & TaskDone) | Unfinished> {
    const scope = new CancellationScope()
    this.running++
    this.again.delete(task.id)
    this.scopes.set(task.id, scope)
    try {
      return { kind: 'done', ...(await scope.run(() => this.options.execute(task))) }
    } catch (error) {
      // Whatever it ends with then (its worker may have been killed meanwhile), it was stopped: with everything else, ...
      if (CancellationScope.current().consideredCancelled)
        throw isCancellation(error) ? error : new CancelledFailure('The task was cancelled')
      // ... or by a pause, a retry or a skip.
      return scope.consideredCancelled ? { kind: 'stopped' } : { kind: 'failed', error: error as Error }
    } finally {
      this.scopes.delete(task.id)
      this.running--
    }
  }

  private get ending(): boolean {
    return this.failed !== undefined || this.pace.ending === true
  }

  private mayBegin(id: string): boolean {
    if (this.skipped.has(id) || this.ending) return true
    return !this.pace.paused && this.running < this.pace.window && this.next === id
  }

  /** Those that somebody wants tried again come first, then those that come first in the list: they may have a checkpoint. */
  private get next(): string | undefined {
    const waiting = [...this.waiting.values()].sort((a, b) => a.index - b.index)
    return (waiting.find(({ id }) => this.again.has(id)) ?? waiting[0])?.id
  }
}
