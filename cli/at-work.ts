import type { Client } from '@temporalio/client'
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import { describeLeft } from '../workflows/remaining.js'

/** A task that is being done, or that will be tried again. */
interface Pending {
  /** Stage and task. */
  readonly name: string
  readonly attempt: number
  /** Why the last attempt failed. */
  readonly failure?: string
  /** What the task said last. */
  readonly said?: { readonly fraction: number; readonly text: string }
  /** Seconds since the attempt began. */
  readonly seconds?: number
}

/** The tasks of a run and of its groups that have not ended. None if the server does not answer. */
async function pending(client: Client, workflowId: string): Promise<Pending[]> {
  try {
    const converter = client.options.loadedDataConverter
    const { raw } = await client.workflow.getHandle(workflowId).describe()
    const tasks = (raw.pendingActivities ?? []).map(async (activity): Promise<Pending> => {
      const failure = await decodeOptionalFailureToOptionalError(converter, activity.lastFailure)
      const [said] = await decodeArrayFromPayloads(converter, activity.heartbeatDetails?.payloads)
      const started = activity.lastStartedTime?.seconds
      return {
        name: activity.activityId ?? '',
        attempt: activity.attempt ?? 1,
        ...(failure && { failure: failure.message }),
        ...(isProgress(said) && { said }),
        ...(started && { seconds: Date.now() / 1000 - Number(started) }),
      }
    })
    const groups = (raw.pendingChildren ?? []).map((child) => pending(client, child.workflowId ?? ''))
    return (await Promise.all([...tasks, ...groups])).flat()
  } catch {
    return []
  }
}

const isProgress = (said: unknown): said is NonNullable<Pending['said']> => {
  const { fraction, text } = (said ?? {}) as Partial<NonNullable<Pending['said']>>
  return typeof fraction === 'number' && typeof text === 'string'
}

/** Tasks that failed and will be tried again, a line each. */
export const troubles = async (client: Client, workflowId: string): Promise<string[]> =>
  troublesOf(await pending(client, workflowId))

const troublesOf = (tasks: readonly Pending[]): string[] =>
  tasks.flatMap(({ name, attempt, failure }) =>
    failure === undefined ? [] : [`${name} failed, attempt ${attempt} follows: ${failure}`],
  )

/** What a run is doing: lines about tasks that failed, and what a task at work said last. */
export async function atWork(
  client: Client,
  workflowId: string,
): Promise<{ readonly troubles: string[]; readonly doing?: string }> {
  const tasks = await pending(client, workflowId)
  // The one that has got furthest says most about when something will happen.
  const [first] = tasks
    .filter(({ said, failure }) => said && failure === undefined)
    .sort((a, b) => b.said!.fraction - a.said!.fraction)
  return { troubles: troublesOf(tasks), ...(first && { doing: describeTask(first) }) }
}

/** Seconds and a share of the work below which nothing is known about the rest. */
const soon = { seconds: 5, fraction: 0.02 }

/** `uptrain/child: step 40 of 240, loss 0.31 (about 3 min left)`. */
export function describeTask({ name, said, seconds = 0 }: Pick<Pending, 'name' | 'said' | 'seconds'>): string {
  const { fraction, text } = said ?? { fraction: 0, text: '' }
  const known = seconds >= soon.seconds && fraction >= soon.fraction && fraction < 1
  const left = known ? ` (${describeLeft((seconds * (1 - fraction)) / fraction)})` : ''
  return `${name}: ${text}${left}`
}
