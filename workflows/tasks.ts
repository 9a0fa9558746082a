import { CancellationScope, CancelledFailure, condition, isCancellation } from '@temporalio/workflow'
import { unreachable } from '../errors/unreachable.js'
import { describeFailure, shortReason } from './failures.js'
import type { Pace } from './types.js'
import type { StageNode, TaskDone, TaskRef, TaskResult } from './types.js'

export interface TasksOptions {
  readonly node: StageNode
  readonly pace: Pace
  /** Does one attempt; its cancellation stops the task with a checkpoint. */
  readonly execute: (task: TaskRef) => Promise<TaskDone>
  /** Called when a task waits for a decision, and again, without a failure, when it no longer does. */
  readonly onTrouble?: (task: TaskRef, failure: { message: string; remedy?: string } | undefined) => void
  readonly onResult?: (task: TaskRef, result: TaskResult) => void
  /** Called when, after a failure, only running tasks may finish. */
  readonly onEnding?: () => void
}

/** How an attempt ended without a result. */
type Unfinished = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly error: Error }

/** A task that is not over; its result is undefined when the stage ends before it. */
interface Open {
  readonly task: TaskRef
  readonly settle: (result: TaskResult | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Runs tasks at a pace that can change, with the stage's policy for those that fail. One loop begins them all: thousands that
 * wait cost nothing while others work.
 */
export class Tasks {
  private pace: Pace
  private running = 0
  /** Those that are neither over nor at work nor waiting for a decision, in their order. */
  private waiting: Open[] = []
  private over = false
  /** The first failure that ends the stage: no task begins after it. */
  private failed: Error | undefined
  private readonly scopes = new Map<string, CancellationScope>()
  private readonly skipped = new Map<string, string>()
  private readonly again = new Set<string>()

  constructor(private readonly options: TasksOptions) {
    this.pace = options.pace
  }

  setPace(pace: Pace): void {
    this.pace = pace
    // Running tasks stop with a checkpoint, and begin again after the pause.
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

  /** All tasks, results in their order; undefined for those that a stage which is ending leaves out.
   *  @throws the failure that ended the stage, once nothing runs */
  async run(tasks: readonly TaskRef[]): Promise<(TaskResult | undefined)[]> {
    const results = tasks.map(async (task) => {
      const result = await new Promise<TaskResult | undefined>((settle, reject) => this.wait({ task, settle, reject }))
      if (result) this.options.onResult?.(task, result)
      return result
    })
    const beginning = this.beginAll()
    const settled = await Promise.allSettled(results)
    this.over = true
    await beginning
    if (this.failed) throw this.failed
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason
      return result.value
    })
  }

  private wait(open: Open): void {
    const { waiting } = this
    // From the end, where all but those that were stopped belong.
    const before = waiting.findLastIndex(({ task }) => task.index <= open.task.index)
    waiting.splice(before + 1, 0, open)
  }

  /** Begins one task after the other as soon as it may, until all are over. */
  private async beginAll(): Promise<void> {
    const ready = () => this.over || this.next !== undefined
    try {
      for (;;) {
        if (!ready()) await condition(ready)
        if (this.over) return
        const open = this.next!
        this.waiting.splice(this.waiting.indexOf(open), 1)
        void this.one(open).catch(open.reject)
      }
    } catch (error) {
      // The search is cancelled: so is all that waits.
      for (const { reject } of this.waiting.splice(0)) reject(error)
    }
  }

  /** One go at a task. */
  private async one(open: Open): Promise<void> {
    const { task, settle } = open
    const reason = this.skipped.get(task.id)
    if (reason !== undefined) return settle({ kind: 'skipped', reason })
    if (this.ending) return settle(undefined)
    const outcome = await this.attempt(task)
    if (outcome.kind === 'done') return settle(outcome)
    if (outcome.kind === 'stopped') return this.wait(open)
    const failure = describeFailure(outcome.error)
    const policy = this.options.node.onFailure ?? 'fail-fast'
    switch (policy) {
      case 'fail-fast':
        this.failed ??= outcome.error
        for (const other of this.scopes.values()) other.cancel()
        return settle(undefined)
      case 'finish-running':
        this.failed ??= outcome.error
        this.options.onEnding?.()
        return settle(undefined)
      case 'continue':
        return settle({ kind: 'skipped', reason: shortReason(failure.message), failed: true })
      case 'wait':
        this.options.onTrouble?.(task, failure)
        await condition(() => this.again.has(task.id) || this.skipped.has(task.id) || this.ending)
        this.options.onTrouble?.(task, undefined)
        this.wait(open)
        return
      default:
        return unreachable(policy)
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

  /** What is to begin, or to be settled without beginning, if anything is. */
  private get next(): Open | undefined {
    const { waiting, skipped, again, pace } = this
    if (this.ending) return waiting[0]
    const left = skipped.size > 0 ? waiting.find(({ task }) => skipped.has(task.id)) : undefined
    if (left || pace.paused || this.running >= pace.window) return left
    // Those that somebody wants tried again come first, then those that come first in the list: they may have a checkpoint.
    return (again.size > 0 ? waiting.find(({ task }) => again.has(task.id)) : undefined) ?? waiting[0]
  }
}
