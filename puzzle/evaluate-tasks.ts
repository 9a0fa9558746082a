import type { OnnxModel } from '../model/index.js'
import { Tokenizer, type Model } from '../model/index.js'
import type { DocumentEncoder } from '../data/documents.js'
import { readWholeTasks, type TasksInput } from '../data/read-tasks.js'
import type { TaskItems } from '../data/task.js'
import { likelihoodsByLogits, LogitsOf } from './evaluate-logits.js'
import { figuresOf, type Answers, type Quality } from './evaluation.js'
import { listingOf, paired, type PairedTask } from './paired-task.js'
import { answersTo, type Respondent } from './task-answers.js'

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

/** Items of each task that are listed as won, and as lost, beside a parent. */
const mostListed = 20

/** What a model answers, beside its parent if there is one. */
export async function answersOf(
  { own, parent }: { readonly own: Respondent; readonly parent?: Respondent },
  tasks: Readonly<Record<string, TaskItems>>,
): Promise<Answered> {
  if (Object.keys(tasks).length === 0) return {}
  const askedOf = async (respondent: Respondent): Promise<Answers> => {
    const answers: Record<string, Awaited<ReturnType<typeof answersTo>>> = {}
    for (const [name, task] of Object.entries(tasks)) answers[name] = await answersTo(task, respondent)
    return answers
  }
  const answers = await askedOf(own)
  const { accuracy, ...figures } = figuresOf(tasks, answers)
  const found = { ...figures, ...(accuracy !== null && { accuracy }) }
  if (!parent) return found
  const before = await askedOf(parent)
  const { tasks: parentShares, metrics } = figuresOf(tasks, before)
  const parentTasks = { tasks: parentShares, metrics }
  const listing = listingOf({ parent: own.model, tasks }, mostListed)
  const compared = Object.entries(tasks).map(
    ([name, task]) => [name, paired(task, before[name]!, answers[name]!, listing)] as const,
  )
  return { ...found, parentTasks, paired: Object.fromEntries(compared) }
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
