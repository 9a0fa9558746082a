import { Failure } from '../api/index.js'
import { openHarness, readHarness } from './harness/read.js'
import type { Reader } from './harness/items.js'
import { readFolder } from './task-items.js'
import { splitTask, toRead, type ReadTask, type SplitTask } from './task-splits.js'
import { isShare, mainMetric, metricsOf, withItems, type TaskItems } from './task.js'

/** An entry of a spec's `tasks`: a folder, or a task of lm-evaluation-harness. */
export type TaskEntry = string | { readonly harness: string; readonly metric?: string }

/** A spec's `tasks`. */
export type TasksInput = string | readonly TaskEntry[]

/** The entries of `tasks`. */
export const taskEntries = (tasks: TasksInput): readonly TaskEntry[] => (typeof tasks === 'string' ? [tasks] : tasks)

/**
 * Reads the tasks that a spec names.
 * @param share  of a task with one set of items that only the final evaluation sees
 * @param most   items of each task and split
 * @throws Failure InvalidInput with the place of what is wrong
 */
export async function readSplitTasks(
  tasks: TasksInput,
  reader: Reader,
  { share, most }: { readonly share: number; readonly most: number },
): Promise<Readonly<Record<string, SplitTask>>> {
  const found: Record<string, SplitTask> = {}
  for (const read of await readAll(tasks, reader, toRead(most, share)))
    found[read.name] = withChance(splitTask(read, share, most))
  return found
}

/** The items that lm-evaluation-harness would ask: those for the test where a task's YAML names them; of a folder, all but those
 *  for the test. */
export async function readWholeTasks(tasks: TasksInput, reader: Reader): Promise<Readonly<Record<string, TaskItems>>> {
  const found: Record<string, TaskItems> = {}
  for (const { name, form, items, test, isHarness } of await readAll(tasks, reader, Infinity)) {
    const asked = isHarness && test ? test : items
    found[name] = withItems(
      form,
      asked.map(({ item }) => item),
    )
  }
  return found
}

async function readAll(
  tasks: TasksInput,
  reader: Reader,
  most: number,
): Promise<readonly (ReadTask & { readonly isHarness: boolean })[]> {
  const all: (ReadTask & { readonly isHarness: boolean })[] = []
  for (const entry of taskEntries(tasks)) {
    if (typeof entry === 'string')
      all.push(...(await readFolder(entry, reader.tokenizer, most)).map((task) => ({ ...task, isHarness: false })))
    else {
      const task = await openHarness(entry.harness)
      all.push({ ...withMain(await readHarness(task, reader, most), entry.metric), isHarness: true })
    }
    const twice = all.find(({ name }, i) => all.findIndex((other) => other.name === name) !== i)
    if (twice)
      throw new Failure('InvalidInput', `two tasks have the name "${twice.name}"`, {
        remedy: 'Rename one: results are listed by name.',
      })
  }
  return all
}

/** The task with the metric that a spec names for it. */
function withMain(task: ReadTask, main: string | undefined): ReadTask {
  if (main === undefined) return task
  const named = { ...task, form: { ...task.form, main } }
  if (mainMetric(named.form)) return named
  const shares = metricsOf(task.form).flatMap(({ key, metric }) => (isShare(metric) ? [key] : []))
  throw new Failure('InvalidInput', `the task "${task.name}" has no metric "${main}" from 0 to 1`, {
    remedy: shares.length > 0 ? `It has ${shares.join(', ')}.` : 'Leave `metric` out: the task has no accuracy.',
  })
}

/** Of choices, the accuracy of guessing is known. */
function withChance(task: SplitTask): SplitTask {
  const chanceOf = (own: TaskItems): TaskItems =>
    own.kind === 'choices'
      ? {
          ...own,
          chance:
            own.items.reduce((sum, { choices, gold }) => sum + gold.length / choices.length, 0) / own.items.length,
        }
      : own
  return { ...task, validation: chanceOf(task.validation), test: chanceOf(task.test) }
}
