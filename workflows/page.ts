import { patched, proxyActivities } from '@temporalio/workflow'
import { pageSignal } from './messages.js'
import { stageOptions } from './options.js'
import { Part } from './part.js'
import { mostReports, tasksOfReport } from './reports.js'
import type { Activities, PageDone, PageInput, Skipped, TaskRef, TaskResult } from './types.js'
import type { ArtifactRef } from '../store/store.js'

/** How a page ends. */
export interface PageResult extends PageDone {
  /** An artifact with the list of those that are left out, if any are. */
  readonly list?: ArtifactRef
}

/** Numbers of a page's tasks, counted from 1 as people do: also its name. */
export const pageName = ({ from, to }: PageInput['page']): string => `${from + 1}-${to}`

/** The tasks of one page of a long list, which it reads itself. @returns what became of them, in a few numbers */
export async function page({ page: own, total, ...input }: PageInput): Promise<PageResult> {
  const { node, plan, stage, outputs, tasks: list } = input
  const count = own.to - own.from
  const [size, skipped] = [tasksOfReport(count, total, patched('few-reports') ? mostReports : 200), [] as Skipped[]]
  let state: PageDone = { done: 0, reused: 0, seconds: 0, leftOut: 0 }
  let told = 0
  const note = (task: TaskRef, result: TaskResult) => {
    const { done, reused, seconds, leftOut } = state
    if (result.kind === 'skipped') skipped.push({ task: task.id, reason: result.reason })
    const fresh = result.kind === 'done' && !result.reused
    state = {
      done: done + 1,
      reused: reused + (result.kind === 'done' && result.reused ? 1 : 0),
      seconds: seconds + (fresh ? result.seconds : 0),
      leftOut: leftOut + (result.kind === 'skipped' ? 1 : 0),
      ...(skipped.length > 0 && { last: skipped.at(-1)! }),
    }
    // The result of the workflow reports the last ones.
    if (state.done - told >= size && state.done < count) tell()
  }
  const tell = () => {
    told = state.done
    part.tell(pageSignal, { stage, from: own.from, ...state })
  }
  const part = new Part(input, { name: `tasks ${pageName(own)}`, count, onResult: note })
  const options = (activity: string) => ({ ...stageOptions(node), activityId: `${stage}/${activity}` })
  const reader = proxyActivities<Activities>({ ...options('tasks'), summary: `${stage}: its tasks ${pageName(own)}` })
  const tasks = await reader.pageTasks({ plan, stage, outputs, tasks: list, page: own })
  told = Infinity
  for (const task of tasks)
    if (task.found !== undefined) part.count(task, { kind: 'done', key: task.found, reused: true, seconds: 0 })
  told = 0
  if (state.done > 0 && state.done < count) tell()
  await part.tasks.run(tasks.filter(({ found }) => found === undefined))
  if (skipped.length === 0) return state
  const keeper = proxyActivities<Activities>({ ...options('left-out'), summary: `${stage}: those that are left out` })
  return { ...state, list: await keeper.keepLeftOut({ skipped }) }
}
