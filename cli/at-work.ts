import type { Client } from '@temporalio/client'
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import { describeLeft } from '../workflows/remaining.js'

/** A task that is being done or waits for a place, or that will be tried again. */
export interface PendingTask {
  readonly stage: string
  /** Stage and task; of a stage's only task, the stage alone. */
  readonly name: string
  readonly attempt: number
  /** Whether a worker does it now. */
  readonly atWork: boolean
  /** Why the last attempt failed. */
  readonly failure?: string
  /** What the task said last; `from`: the fraction with which a later attempt began. */
  readonly said?: { readonly fraction: number; readonly text: string; readonly from?: number }
  /** Seconds since the attempt began. */
  readonly seconds?: number
}

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API. */
const started = 2

/** The tasks of a run and of its groups that have not ended, in the order in which they began. None if the server does not
 *  answer. */
export async function pendingTasks(client: Client, workflowId: string): Promise<PendingTask[]> {
  const tasks = await pending(client, workflowId)
  return tasks.sort((a, b) => (b.seconds ?? -1) - (a.seconds ?? -1) || (a.name < b.name ? -1 : 1))
}

async function pending(client: Client, workflowId: string): Promise<PendingTask[]> {
  try {
    const converter = client.options.loadedDataConverter
    const { raw } = await client.workflow.getHandle(workflowId).describe()
    const tasks = (raw.pendingActivities ?? []).map(async (activity): Promise<PendingTask> => {
      const failure = await decodeOptionalFailureToOptionalError(converter, activity.lastFailure)
      const [said] = await decodeArrayFromPayloads(converter, activity.heartbeatDetails?.payloads)
      const startedAt = activity.lastStartedTime?.seconds
      const [stage = '', ...task] = (activity.activityId ?? '').split('/')
      return {
        stage,
        name: task.join('/') === stage ? stage : [stage, ...task].join('/'),
        attempt: activity.attempt ?? 1,
        atWork: Number(activity.state) === started,
        ...(failure && { failure: failure.message }),
        ...(isProgress(said) && { said }),
        ...(startedAt && { seconds: Date.now() / 1000 - Number(startedAt) }),
      }
    })
    const groups = (raw.pendingChildren ?? []).map((child) => pending(client, child.workflowId ?? ''))
    return (await Promise.all([...tasks, ...groups])).flat()
  } catch {
    return []
  }
}

const isProgress = (said: unknown): said is NonNullable<PendingTask['said']> => {
  const { fraction, text } = (said ?? {}) as Partial<NonNullable<PendingTask['said']>>
  return typeof fraction === 'number' && typeof text === 'string'
}

/** A failure of a task that is being tried again. */
export interface TaskTrouble {
  readonly line: string
  /** The same before the next attempt and during it, for those who tell each failure once. */
  readonly key: string
}

/** Tasks that failed, and whether the next attempt is at work. */
export const troubles = (tasks: readonly PendingTask[]): TaskTrouble[] =>
  tasks.flatMap(({ name, attempt, failure, atWork }) =>
    failure === undefined
      ? []
      : [
          {
            line: `${name} failed, attempt ${attempt} ${atWork ? 'is at work' : 'follows'}: ${failure}`,
            key: JSON.stringify([name, attempt, failure]),
          },
        ],
  )

/** The task whose words say most about when something will happen: the one that has got furthest. What a failed attempt said is
 *  old, until the next one works. */
export const furthest = (tasks: readonly PendingTask[]): PendingTask | undefined =>
  tasks
    .filter(({ said, failure, atWork }) => said && (failure === undefined || atWork))
    .sort((a, b) => b.said!.fraction - a.said!.fraction)[0]

/** Seconds and a share of the work below which nothing is known about the rest. */
const soon = { seconds: 5, fraction: 0.02 }

/** Seconds until a task is done, at the speed of its attempt; undefined while that is unknown. */
export function secondsLeftOf({ said, seconds = 0 }: Pick<PendingTask, 'said' | 'seconds'>): number | undefined {
  const { fraction = 0, from = 0 } = said ?? {}
  const done = fraction - from
  const known = seconds >= soon.seconds && done >= soon.fraction && fraction < 1
  return known ? (seconds * (1 - fraction)) / done : undefined
}

/** `uptrain/child: step 40 of 240, loss 0.31 (about 3 min left)`. */
export function describeTask(task: Pick<PendingTask, 'name' | 'said' | 'seconds'>): string {
  const left = secondsLeftOf(task)
  return `${task.name}: ${task.said?.text ?? ''}${left === undefined ? '' : ` (${describeLeft(left)})`}`
}
