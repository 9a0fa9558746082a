// What is asked of a model, as token ids: the items of tasks, and what is computed from the answers.

/** A metric's name, as in lm-evaluation-harness; `token_perplexity` is puzzleflow's own. */
export type MetricName =
  | 'acc'
  | 'acc_norm'
  | 'acc_bytes'
  | 'exact_match'
  | 'perplexity'
  | 'word_perplexity'
  | 'byte_perplexity'
  | 'bits_per_byte'
  | 'token_perplexity'

/** What does not count when texts are compared. */
export interface Comparison {
  readonly ignoreCase?: boolean
  readonly ignorePunctuation?: boolean
  readonly ignoreNumbers?: boolean
  /** Python's regular expressions, of which matches are taken out first. */
  readonly ignore?: readonly string[]
}

/** What is computed of a task's items. */
export interface Metric extends Comparison {
  readonly name: MetricName
}

interface Task<Item> {
  /** Accuracy of guessing. */
  readonly chance: number
  /** @default [{name: 'acc'}] */
  readonly metrics?: readonly Metric[]
  /** The metric that stands for the task in means and limits: one from 0 to 1. @default the first of those */
  readonly main?: string
  readonly items: readonly Item[]
}

/** A prompt and the text behind it. */
export interface AnswerItem {
  readonly prompt: readonly number[]
  readonly answer: readonly number[]
}

/** A prompt, and texts of which the likeliest counts as the model's answer. */
export interface ChoiceItem {
  readonly prompt: readonly number[]
  readonly choices: readonly {
    readonly answer: readonly number[]
    readonly characters: number
    readonly bytes: number
  }[]
  /** Indices of right choices. */
  readonly gold: readonly number[]
}

/** A text in windows: each of its tokens is an answer's in one of them. */
export interface TextItem {
  readonly windows: readonly AnswerItem[]
  readonly words: number
  readonly bytes: number
}

/** A prompt that the model continues, and texts that are right. */
export interface GenerationItem {
  readonly prompt: readonly number[]
  readonly gold: readonly string[]
}

/** What is done to a generated text before it is compared. */
export type Filter =
  | { readonly function: 'regex'; readonly pattern: string; readonly group: number; readonly fallback: string }
  | { readonly function: 'take_first' | 'remove_whitespace' | 'lowercase' | 'uppercase' }

export type AnswerTask = Task<AnswerItem> & { readonly kind?: 'answers' }
export type ChoiceTask = Task<ChoiceItem> & { readonly kind: 'choices' }
export type TextTask = Task<TextItem> & { readonly kind: 'texts' }
export type GenerationTask = Task<GenerationItem> & {
  readonly kind: 'generations'
  /** Texts that end the model's. */
  readonly until: readonly string[]
  /** Most tokens of it. */
  readonly most: number
  /** Filters by the name of their pipeline. */
  readonly filters: readonly { readonly name: string; readonly steps: readonly Filter[] }[]
}

/** Items of one task as token ids. */
export type TaskItems = AnswerTask | ChoiceTask | TextTask | GenerationTask

/** An item of any kind. */
export type AnyItem = TaskItems['items'][number]

/** A task without items. */
export type TaskForm = TaskItems extends infer T ? (T extends TaskItems ? Omit<T, 'items'> : never) : never

/** A task with items of its kind. */
export const withItems = (task: TaskForm, items: readonly AnyItem[]): TaskItems => ({ ...task, items }) as TaskItems

/** A metric of a task, and what it is called in results. */
export interface NamedMetric {
  readonly key: string
  readonly metric: Metric
  /** Index of the pipeline of filters. */
  readonly filter: number
}

/** What is computed for a task: `acc`, or `exact_match,strict` with the name of a pipeline of filters, as in the harness. */
export function metricsOf(task: TaskForm): readonly NamedMetric[] {
  const { metrics = [{ name: 'acc' }] } = task
  const filters = task.kind === 'generations' ? task.filters.map(({ name }) => name) : ['none']
  return filters.flatMap((name, filter) =>
    metrics.map((metric) => ({ key: name === 'none' ? metric.name : `${metric.name},${name}`, metric, filter })),
  )
}

/** Whether a metric is a share of items that are answered right. */
export const isShare = ({ name }: Metric): boolean => name === 'exact_match' || name.startsWith('acc')

/** The metric that stands for a task in means and limits; undefined where the task has no accuracy. */
export function mainMetric(task: TaskForm): NamedMetric | undefined {
  const shares = metricsOf(task).filter(({ metric }) => isShare(metric))
  return task.main === undefined ? shares[0] : shares.find(({ key }) => key === task.main)
}
