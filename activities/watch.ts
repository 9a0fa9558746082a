import { Context } from '@temporalio/activity'
import type { Entry, Log } from './journal.js'
import type { Metrics, Outcome } from './metrics.js'

/** Which attempt of what an activity is. */
export interface Attempt {
  readonly run: string
  readonly stage: string
  readonly task: string
  readonly attempt: number
}

/** The activity that calls. */
export function currentAttempt(): Attempt {
  const { activityId, attempt, workflowExecution } = Context.current().info
  // Names of workflows: `puzzleflow-STORE/RUN` and, of groups, more after it (cli/runs.ts); of activities `STAGE/TASK`.
  const run = workflowExecution?.workflowId.split('/')[1] ?? ''
  const [stage = '', ...task] = activityId.split('/')
  return { run, stage, task: task.join('/'), attempt }
}

/** Follows the tasks of a worker: its log and its metrics. */
export class Watch {
  constructor(
    readonly log: Log,
    private readonly metrics: Metrics,
  ) {}

  /** A task is here; it waits for a place. */
  begin(): Watched {
    return new Watched(currentAttempt(), this.log, this.metrics)
  }

  /** An attempt of any activity failed. */
  failed(
    own: Attempt,
    kind: string,
    error: Error,
    more: { readonly remedy?: string | undefined; readonly final: boolean },
  ): void {
    this.metrics.failure(own.stage, kind)
    const { message, stack } = error
    this.log({ level: more.final ? 'error' : 'warn', event: 'task failed', ...own, kind, message, ...more, stack })
  }
}

/** A task that a worker has taken. */
export class Watched {
  private readonly observed
  private outcome: Outcome = 'failed'
  private seconds: number | undefined

  constructor(
    private readonly own: Attempt,
    private readonly write: Log,
    private readonly metrics: Metrics,
  ) {
    this.observed = metrics.begin(own.stage, own.task)
  }

  readonly log = (entry: Omit<Entry, keyof Attempt>): void => this.write({ ...(entry as Entry), ...this.own })

  started(): void {
    this.metrics.news(this.observed)
    this.log({ level: 'info', event: 'task started' })
  }
  progressed(): void {
    this.metrics.news(this.observed)
  }
  reused(): void {
    this.outcome = 'reused'
    this.log({ level: 'info', event: 'task reused' })
  }
  done(seconds: number): void {
    this.outcome = 'done'
    this.seconds = seconds
    this.log({ level: 'info', event: 'task finished', seconds: Number(seconds.toFixed(3)) })
  }
  cancelled(): void {
    this.outcome = 'cancelled'
    this.log({ level: 'info', event: 'task cancelled' })
  }
  /** The task is no longer here, whatever became of it. `Watch.failed` reports failures. */
  end(): void {
    this.metrics.end(this.observed, this.outcome, this.seconds)
  }
}
