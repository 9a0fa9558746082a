import { Tokenizer, type Model, type OnnxModel } from '../model/index.js'
import type { DocumentEncoder } from '../data/documents.js'
import { readWholeTasks, type TasksInput } from '../data/read-tasks.js'
import type { TaskItems } from '../data/task.js'
import { likelihoodsByLogits, LogitsOf } from './evaluate-logits.js'
import { figuresOf, type Quality } from './evaluation.js'
import { listingOf, mostListed, pairedTasks, type PairedTask } from './paired-task.js'
import { answersToAll, type Respondent } from './task-answers.js'

/** What a model answers. */
export interface Answered {
  /** The main metric of each task that has one from 0 to 1: the share of items that are answered right. */
  readonly tasks?: Readonly<Record<string, number>>
  /** Their mean. */
  readonly accuracy?: number
  /** By task and metric. */
  readonly metrics?: Quality['metrics']
  /** Beside the parent, on the same items. */
  readonly parentTasks?: Pick<Quality, 'tasks' | 'metrics'>
  readonly paired?: Readonly<Record<string, PairedTask>>
}

/** The items that `evaluate` asks. */
export const tasksFor = (tasks: TasksInput, { config }: Model | OnnxModel, { tokenizer }: DocumentEncoder) =>
  readWholeTasks(tasks, { tokenizer, positions: config.maxPositions })

/** What a model answers, beside its parent if there is one. */
export async function answersOf(
  { own, parent }: { readonly own: Respondent; readonly parent?: Respondent },
  tasks: Readonly<Record<string, TaskItems>>,
): Promise<Answered> {
  if (Object.keys(tasks).length === 0) return {}
  const answers = await answersToAll(tasks, own)
  const { accuracy, ...figures } = figuresOf(tasks, answers)
  const found = { ...figures, ...(accuracy !== null && { accuracy }) }
  if (!parent) return found
  const before = await answersToAll(tasks, parent)
  const { tasks: parentShares, metrics } = figuresOf(tasks, before)
  const parentTasks = { tasks: parentShares, metrics }
  const listing = listingOf({ parent: own.model, tasks }, mostListed)
  return { ...found, parentTasks, paired: pairedTasks(tasks, before, answers, listing) }
}

/** Answers of what has logits, one sequence at a time. */
export const byLogits = (model: Model | OnnxModel, threads: number): Respondent => ({
  model,
  threads,
  tokenizer: () => Tokenizer.open(model.folder, model.config.vocabulary),
  async likelihoods(items) {
    const longest = Math.max(...items.map(({ prompt, answer }) => prompt.length + answer.length))
    const whole = await LogitsOf.create(model, longest, threads)
    try {
      return await likelihoodsByLogits(whole, items)
    } finally {
      await whole.release()
    }
  },
})
