import { CancellationScope, condition, isCancellation } from '@temporalio/workflow'
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
}

/** Runs tasks at a pace that can change, with the stage's policy for those that fail. */
export class Tasks {
  private pace: Pace
  private running = 0
  /** The first failure that ends the stage: no task begins after it. */
  private ended: Error | undefined
  private readonly scopes = new Map<string, CancellationScope>()
  private readonly skipped = new Map<string, string>()
  private readonly again = new Set<string>()

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

  /** All tasks, results in their order. @throws the failure that ended the stage, when nothing runs any more */
  async run(tasks: readonly TaskRef[]): Promise<TaskResult[]> {
    const results = await Promise.all(
      tasks.map(async (task) => {
        const result = await this.one(task)
        if (result) this.options.onResult?.(task, result)
        return result
      }),
    )
    if (this.ended) throw this.ended
    return results as TaskResult[]
  }

  private async one(task: TaskRef): Promise<TaskResult | undefined> {
    const { node, execute } = this.options
    for (;;) {
      await condition(() => this.mayBegin(task.id))
      const reason = this.skipped.get(task.id)
      if (reason !== undefined) return { kind: 'skipped', reason }
      if (this.ended) return undefined
      this.running++
      this.again.delete(task.id)
      const scope = new CancellationScope()
      this.scopes.set(task.id, scope)
      try {
        return { kind: 'done', ...(await scope.run(() => execute(task))) }
      } catch (error) {
        if (isCancellation(error)) {
          // Stopped on purpose: by a pause, a retry or a skip; or with everything else.
          if (scope.consideredCancelled && !CancellationScope.current().consideredCancelled) continue
          throw error
        }
        const failure = describeFailure(error)
        switch (node.onFailure ?? 'fail-fast') {
          case 'fail-fast':
            this.ended ??= error as Error
            for (const [id, other] of this.scopes) if (id !== task.id) other.cancel()
            return undefined
          case 'finish-running':
            this.ended ??= error as Error
            return undefined
          case 'continue':
            return { kind: 'skipped', reason: failure.message, failed: true }
          case 'wait':
            this.options.onTrouble?.(task, failure)
            await condition(() => this.again.has(task.id) || this.skipped.has(task.id))
            this.options.onTrouble?.(task, undefined)
        }
      } finally {
        this.scopes.delete(task.id)
        this.running--
      }
    }
  }

  private mayBegin(id: string): boolean {
    if (this.skipped.has(id) || this.ended) return true
    return !this.pace.paused && this.running < this.pace.window
  }
}
