import { Context } from '@temporalio/activity'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { MissingArtifact } from '../store/index.js'
import { FailureCount } from './failure-count.js'
import { ChildFailure } from '../errors/child-failure.js'
import { traitsOf } from '../errors/kinds.js'
import { Crash } from './host.js'
import { currentAttempt, type Watch } from './watch.js'

/** Bytes that a message of Temporal may hold are 2 MiB: more would be sent, and refused, for ever. */
const mostBytes = 1_800_000
/** Characters of a failure. */
const longestMessage = 10_000

function checkSize(activity: string, result: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(result) ?? '')
  if (bytes > mostBytes)
    throw ApplicationFailure.nonRetryable(
      `${activity}: what comes out has ${bytes} bytes, and ${mostBytes} is the most that a message to Temporal holds`,
      'TaskFailed',
      { remedy: 'Leave large results in files, and put references to them among the values.' },
    )
}

/** Turns errors into what Temporal knows: failures with a type, of which some are worth no other attempt. */
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
