import type { TaskPlan } from '../api/index.js'
import type { TaskPage } from '../workflows/types.js'
import { ChildFailure } from '../errors/child-failure.js'

/** What messages and histories hold of tasks. Temporal takes 2 MiB a message and 51,200 events a workflow. */
export interface Bounds {
  /** Tasks of one workflow: six events each. */
  readonly together: number
  /** Bytes of their names in one message. */
  readonly bytes: number
  /** Workflows of one stage, each some ten events of the search. */
  readonly groups: number
  /** Tasks of a stage. */
  readonly tasks: number
  /** Characters of a task's id, and of a group's name: the ends of names of activities and workflows. */
  readonly name: number
}

export const bounds: Bounds = { together: 500, bytes: 200_000, groups: 500, tasks: 100_000, name: 500 }
/** For tests: tasks of one workflow. */
const fewTogether = Number(process.env.PUZZLEFLOW_TEST_PAGE ?? NaN)

/** The bounds that hold here. */
export const boundsHere = (): Bounds => (fewTogether > 0 ? { ...bounds, together: fewTogether } : bounds)

/** Bytes of a task in a list for workflows: its name, its label, its key and what is around them. */
const bytesOf = ({ id, label, group = '' }: TaskPlan): number =>
  Buffer.byteLength(id) + Buffer.byteLength(shortLabel(label)) + Buffer.byteLength(group) + 130

/** Bytes of a text for people that the server takes are 400, encrypted or not, with the stage's name. */
const longestLabel = 100

/** A label as the Temporal UI shows it. */
export function shortLabel(label: string): string {
  const letters = [...label]
  return letters.length > longestLabel ? `${letters.slice(0, longestLabel - 1).join('')}…` : label
}

/** Pages of a stage's tasks; undefined where its groups can be told in one message and done by a workflow each. */
export function pagesOf(tasks: readonly TaskPlan[], { together, bytes, groups }: Bounds): TaskPage[] | undefined {
  const sizes = new Map<string | undefined, number>()
  const names = new Map<string, number>()
  for (const { id, group = id } of tasks) names.set(group, (names.get(group) ?? 0) + 1)
  for (const [group, count] of names) {
    // Tasks without others in their group are done together.
    const own = count === 1 ? undefined : group
    sizes.set(own, (sizes.get(own) ?? 0) + count)
  }
  const total = tasks.reduce((sum, task) => sum + bytesOf(task), 0)
  if (sizes.size <= groups && Math.max(0, ...sizes.values()) <= together && total <= 5 * bytes) return undefined
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

/** What a stage has planned, if it can be done. @throws ChildFailure PluginBug, or InvalidInput where it is too much */
export function checkTasks(stage: string, tasks: readonly TaskPlan[], { tasks: most, name }: Bounds): void {
  if (tasks.length > most)
    throw new ChildFailure(
      'InvalidInput',
      `The stage ${stage} planned ${tasks.length} tasks, and a stage can have ${most} at most`,
      { remedy: 'Let each task do more, or share them among several stages.' },
    )
  const ids = new Set<string>()
  for (const { id, group = '' } of tasks) {
    if (ids.has(id)) throw new ChildFailure('PluginBug', `The stage ${stage} planned two tasks "${id}"`)
    ids.add(id)
    for (const [what, text] of [
      ['a task', id],
      ['a group', group],
    ] as const)
      if (Buffer.byteLength(text) > name)
        throw new ChildFailure(
          'PluginBug',
          `The stage ${stage} planned ${what} whose name has ${Buffer.byteLength(text)} bytes, and ${name} is the most: "${text.slice(0, 40)}…"`,
        )
  }
}
