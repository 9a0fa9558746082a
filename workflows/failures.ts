import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TimeoutFailure } from '@temporalio/workflow'

/** What an error says to a person. */
export interface FailureText {
  readonly message: string
  readonly remedy?: string
}

/** The failure behind those that Temporal wraps around it. */
export function describeFailure(error: unknown): FailureText {
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) return describeFailure(error.cause)
  if (error instanceof TimeoutFailure) return { message: `It took longer than it may: ${error.message}` }
  if (error instanceof ApplicationFailure) {
    const remedy = (error.details?.[0] as { remedy?: string } | undefined)?.remedy
    return { message: error.message, ...(remedy === undefined ? {} : { remedy }) }
  }
  return { message: error instanceof Error ? error.message : String(error) }
}

/** Whether something ended only because it was cancelled. */
export const isCancelled = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'CancelledFailure' || isCancelled(error.cause))
