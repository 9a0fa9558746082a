import { mostTasks, type TaskPlan } from '../api/index.js'
import { summaryMarkdown } from '../errors/markdown.js'
import type { TaskPage } from '../workflows/types.js'
import { ChildFailure } from '../errors/child-failure.js'
import { isMap, shown } from '../errors/foreign.js'

/** Limits on tasks in messages and histories. Temporal allows 2 MiB per message and 51,200 events per workflow; a history of
 *  a thousand is replayed in a moment and read in the UI. */
export interface Bounds {
  /** Most tasks of one workflow: six events each. */
  readonly together: number
  /** Most tasks that the search does itself, beside those of its other stages. */
  readonly alone: number
  /** Most bytes of their names in one message. */
  readonly bytes: number
  /** Most groups of a stage that have a workflow each: ten events of the search, and those of its reports. */
  readonly groups: number
  /** Most tasks of a stage. */
  readonly tasks: number
  /** Most bytes of a task's id or a group's name, which end the names of activities and workflows. */
  readonly name: number
}

export const bounds: Bounds = { together: 140, alone: 60, bytes: 200_000, groups: 40, tasks: mostTasks, name: 500 }
/** For tests: tasks of one workflow. */
const fewTogether = Number(process.env.PUZZLEFLOW_TEST_PAGE ?? NaN)

/** The bounds that hold here. */
export const boundsHere = (): Bounds =>
  fewTogether > 0 ? { ...bounds, together: fewTogether, alone: fewTogether } : bounds

/** Bytes of a task in a list for workflows: its name, its label, its key and what is around them. */
const bytesOf = ({ id, label, group = '' }: TaskPlan): number =>
  Buffer.byteLength(id) + Buffer.byteLength(summaryMarkdown(label)) + Buffer.byteLength(group) + 130

/** Pages of a stage's tasks; undefined if one message holds its groups, they are few, and one workflow can do each. */
export function pagesOf(
  tasks: readonly TaskPlan[],
  { together, alone, bytes, groups }: Bounds,
): TaskPage[] | undefined {
  const sizes = new Map<string, number>()
  for (const { id, group = id } of tasks) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  const shared = [...sizes.values()].filter((count) => count > 1)
  const fit = shared.length <= groups && sizes.size - shared.length <= alone && Math.max(0, ...shared) <= together
  if (fit && tasks.reduce((sum, task) => sum + bytesOf(task), 0) <= 5 * bytes) return undefined
  const pages: TaskPage[] = []
  let [from, held] = [0, 0]
  for (const [i, task] of tasks.entries()) {
    const size = bytesOf(task)
    if (i > from && (i - from >= together || held + size > bytes)) {
      pages.push({ from, to: i })
      ;[from, held] = [i, 0]
    }
    held += size
  }
  return [...pages, { from, to: tasks.length }]
}

/** Checks the tasks that a stage planned, now or as the store has them. @throws ChildFailure PluginBug, or InvalidInput if there are too many */
export function checkTasks(
  stage: string,
  tasks: unknown,
  { tasks: most, name }: Bounds,
): asserts tasks is readonly TaskPlan[] {
  if (!Array.isArray(tasks)) throw new ChildFailure('PluginBug', `The stage ${stage} did not plan a list of tasks`)
  if (tasks.length > most)
    throw new ChildFailure(
      'InvalidInput',
      `The stage ${stage} planned ${tasks.length} tasks; a stage can have at most ${most}`,
      { remedy: 'Make each task do more, or split them over several stages.' },
    )
  const ids = new Set<string>()
  for (const task of tasks) {
    if (!isTask(task))
      throw new ChildFailure('PluginBug', `The stage ${stage} planned something that is not a task: ${shown(task)}`)
    const { id, group = '' } = task
    if (ids.has(id)) throw new ChildFailure('PluginBug', `The stage ${stage} planned two tasks "${id}"`)
    ids.add(id)
    for (const [what, text] of [
      ['a task', id],
      ['a group', group],
    ] as const)
      if (Buffer.byteLength(text) > name)
        throw new ChildFailure(
          'PluginBug',
          `The stage ${stage} planned ${what} whose name has ${Buffer.byteLength(text)} bytes; the limit is ${name}: "${text.slice(0, 40)}…"`,
        )
  }
}

function isTask(task: unknown): task is TaskPlan {
  if (!isMap(task)) return false
  const { id, label, group, memory = 0, params, inputs, blocks = [], runs = [] } = task
  return (
    typeof id === 'string' &&
    typeof label === 'string' &&
    (group === undefined || typeof group === 'string') &&
    typeof memory === 'number' &&
    memory >= 0 &&
    isMap(params) &&
    isMap(inputs) &&
    Object.values(inputs).every((ref) => isMap(ref) && typeof ref.digest === 'string') &&
    Array.isArray(blocks) &&
    Array.isArray(runs)
  )
}
