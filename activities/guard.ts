import { Context } from '@temporalio/activity'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { MissingArtifact } from '../store/index.js'
import { FailureCount } from './failure-count.js'
import { ChildFailure } from '../errors/child-failure.js'
import { traitsOf } from '../errors/kinds.js'
import { Crash } from './host.js'
import { currentAttempt, type Watch } from './watch.js'

/** A message to Temporal may hold 2 MiB. A larger one would be sent and refused forever. */
const mostBytes = 1_800_000
/** Most characters of a failure's message. */
const longestMessage = 10_000

function checkSize(activity: string, result: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(result) ?? '')
  if (bytes > mostBytes)
    throw ApplicationFailure.nonRetryable(
      `${activity}: the result has ${bytes} bytes; a message to Temporal holds at most ${mostBytes}`,
      'TaskFailed',
      { remedy: 'Put large results in files, and return references to them.' },
    )
}

/** Turns errors into Temporal's failures: each has a type, and says whether another attempt may help. */
export function guardWith(watch: Watch): <A, R>(activity: (argument: A) => Promise<R>) => (argument: A) => Promise<R> {
  const failures = new FailureCount()
  return (activity) => async (argument) => {
    const { attempt, activityId, workflowExecution } = Context.current().info
    const id = `${workflowExecution?.runId}/${activityId}`
    if (attempt === 1) failures.forget(id)
    try {
      const result = await activity(argument)
      checkSize(activityId, result)
      failures.forget(id)
      return result
    } catch (error) {
      if (error instanceof CancelledFailure || error instanceof ApplicationFailure) throw error
      const cause = error as Error
      const type =
        error instanceof ChildFailure
          ? error.type
          : error instanceof Crash || error instanceof MissingArtifact
            ? cause.name
            : ((error as { kind?: string }).kind ?? 'TaskError')
      const traits = traitsOf(type)
      const { remedy = traits?.remedy, file } = error as { remedy?: string; file?: string }
      const details = [{ remedy, file }]
      const final = error instanceof ChildFailure && error.final
      const nonRetryable = failures.add(id, type) >= (traits?.attempts ?? Infinity) || final
      if (nonRetryable) failures.forget(id)
      watch.failed(currentAttempt(), type, cause, { remedy, final: nonRetryable })
      const message =
        cause.message.length > longestMessage ? `${cause.message.slice(0, longestMessage)}…` : cause.message
      throw ApplicationFailure.create({ message, type, details, nonRetryable })
    }
  }
}
