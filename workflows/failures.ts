import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TimeoutFailure } from '@temporalio/workflow'

/** What an error says to a person. */
export interface FailureText {
  readonly message: string
  readonly remedy?: string
}

/** The failure behind those that Temporal wraps around it. */
export function describeFailure(error: unknown): FailureText {
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) return describeFailure(error.cause)
  if (error instanceof TimeoutFailure) return { message: `It took longer than allowed: ${error.message}` }
  if (error instanceof ApplicationFailure) {
    const remedy = (error.details?.[0] as { remedy?: string } | undefined)?.remedy
    return { message: error.message, ...(remedy === undefined ? {} : { remedy }) }
  }
  return { message: error instanceof Error ? error.message : String(error) }
}

/** Whether something ended only because it was cancelled. */
export const isCancelled = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'CancelledFailure' || isCancelled(error.cause))

/** Characters of a reason that is kept for each of thousands of tasks. */
const longestReason = 500

/** Why a task is left out, short enough for a list. */
export const shortReason = (text: string): string =>
  text.length > longestReason ? `${text.slice(0, longestReason - 1)}…` : text
