import {
  ActivityCancellationType,
  patched,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow'
import { notRetried } from '../errors/kinds.js'
import type { Activities, StageNode } from './types.js'

const day = 86_400

/** How tasks of a stage are tried, by the workers of its queue. */
export const taskOptions = (node: StageNode): ActivityOptions => ({
  ...(node.queue === undefined ? {} : { taskQueue: `${workflowInfo().taskQueue}/${node.queue}` }),
  ...stageOptions(node),
})

/** How a stage is planned and gathered, and its tasks are tried: crashes, kills and full disks again with back-off, bounded
 *  by time. */
export function stageOptions({ run, retry = {}, timeout, heartbeat }: StageNode): ActivityOptions {
  return {
    // A search with thousands of tasks does not starve one with ten. The server takes 64 characters.
    priority: { fairnessKey: run.slice(0, 64) },
    // The worker ends the task itself in time, and says why; this is for one that cannot.
    startToCloseTimeout: (timeout === undefined ? 30 * day : timeout + 60) * 1000,
    scheduleToCloseTimeout: (retry.within ?? 60 * day) * 1000,
    // Tasks come by way of the queue, whose turns they take.
    allowEagerDispatch: false,
    // A task that is stopped has stopped before it begins again.
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
 * Activities that answer a person: those of the worker that runs the workflow, for the others may be busy for hours.
 * @param before  how they were done in runs that began before
 */
export function promptActivities(before: ActivityOptions): Activities {
  if (!patched('prompt-activities')) return proxyActivities<Activities>(before)
  const retry = { initialInterval: 1000, maximumInterval: 10_000, nonRetryableErrorTypes: [...notRetried] }
  return proxyLocalActivities<Activities>({ startToCloseTimeout: 60_000, retry })
}
