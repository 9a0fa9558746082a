import {
  ActivityCancellationType,
  patched,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow'
import { notRetried } from '../errors/kinds.js'
import { longestAttempt } from './longest-attempt.js'
import type { Activities, StageNode } from './types.js'

/** How the workers of a stage's queue attempt its tasks. */
export const taskOptions = (node: StageNode): ActivityOptions => ({
  ...(node.queue === undefined ? {} : { taskQueue: `${workflowInfo().taskQueue}/${node.queue}` }),
  ...stageOptions(node),
})

/** How a stage is planned and gathered, and its tasks are attempted: crashes, kills and full disks are retried with back-off,
 *  within a time limit. */
export function stageOptions({ run, retry = {}, timeout, heartbeat }: StageNode): ActivityOptions {
  return {
    // A search with thousands of tasks does not starve one with ten. The server allows 64 characters.
    priority: { fairnessKey: run.slice(0, 64) },
    // The worker ends the task itself in time, and says why; this is for one that cannot.
    startToCloseTimeout: ((timeout ?? longestAttempt) + 60) * 1000,
    scheduleToCloseTimeout: (retry.within ?? 2 * longestAttempt) * 1000,
    // Tasks come through the queue, and wait their turn there.
    allowEagerDispatch: false,
    // A cancelled task must have stopped before it begins again.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    // A dead worker is noticed this soon.
    heartbeatTimeout: (heartbeat ?? 20) * 1000,
    retry: {
      initialInterval: (retry.initialInterval ?? 1) * 1000,
      backoffCoefficient: retry.backoff ?? 2,
      maximumInterval: (retry.maximumInterval ?? 60) * 1000,
      ...(retry.maximumAttempts === undefined ? {} : { maximumAttempts: retry.maximumAttempts }),
      nonRetryableErrorTypes: [...notRetried],
    },
  }
}

/**
 * Activities that answer a person. The worker that runs the workflow does them, because others may be busy for hours.
 * @param before  options for runs that began before this was so
 */
export function promptActivities(before: ActivityOptions): Activities {
  if (!patched('prompt-activities')) return proxyActivities<Activities>(before)
  const retry = { initialInterval: 1000, maximumInterval: 10_000, nonRetryableErrorTypes: [...notRetried] }
  return proxyLocalActivities<Activities>({ startToCloseTimeout: 60_000, retry })
}
