import {
  generateAll,
  type Likelihood,
  type Model,
  type OnnxModel,
  type TaskItem,
  type Tokenizer,
} from '../model/index.js'
import { unreachable } from '../errors/unreachable.js'
import {
  mainMetric,
  metricsOf,
  type AnswerTask,
  type ChoiceTask,
  type GenerationTask,
  type MetricName,
  type NamedMetric,
  type TaskItems,
  type TextTask,
} from '../data/task.js'
import { applied, cut, sameText } from './generated-text.js'

/** What answers. */
export interface Respondent {
  readonly model: Model | OnnxModel
  readonly threads: number
  likelihoods(items: readonly TaskItem[]): Promise<readonly Likelihood[]>
  /** Opened when a text is generated. */
  tokenizer(): Tokenizer
}

/** What a metric is computed from: a number of each item, and how much it counts where they do not count alike. */
export interface Scores {
  readonly metric: MetricName
  readonly values: readonly number[]
  readonly weights?: readonly number[]
}

/** What a model makes of the items of a task. */
export interface TaskAnswers {
  readonly scores: Readonly<Record<string, Scores>>
  /** What it said to each item where that is known: the index of a choice, or a text. */
  readonly said?: readonly (number | string)[]
}

/** A model's answers by task. */
export type Answers = Readonly<Record<string, TaskAnswers>>

/** Asks a model the items of a task. */
export function answersTo(task: TaskItems, respondent: Respondent): Promise<TaskAnswers> {
  switch (task.kind) {
    case undefined:
    case 'answers':
      return toAnswers(task, respondent)
    case 'choices':
      return toChoices(task, respondent)
    case 'texts':
      return toTexts(task, respondent)
    case 'generations':
      return toGenerations(task, respondent)
    default:
      return unreachable(task)
  }
}

/** Asks a model the items of all tasks, one task after another. @returns the answers by task */
export async function answersToAll(
  tasks: Readonly<Record<string, TaskItems>>,
  respondent: Respondent,
  progress: (fraction: number, message: string) => void = () => {},
): Promise<Answers> {
  const answers: Record<string, TaskAnswers> = {}
  const all = Object.entries(tasks)
  for (const [i, [name, task]] of all.entries()) {
    progress(i / all.length, `task ${name}`)
    answers[name] = await answersTo(task, respondent)
  }
  return answers
}

/** Scores by metric, of what each metric takes from an item. */
function scored<T>(
  task: TaskItems,
  items: readonly T[],
  valueOf: (item: T, metric: NamedMetric) => number,
  weightOf?: (item: T, metric: NamedMetric) => number,
): TaskAnswers['scores'] {
  return Object.fromEntries(
    metricsOf(task).map((metric) => [
      metric.key,
      {
        metric: metric.metric.name,
        values: items.map((item) => valueOf(item, metric)),
        ...(weightOf && { weights: items.map((item) => weightOf(item, metric)) }),
      },
    ]),
  )
}

const right = (is: boolean): number => (is ? 1 : 0)

async function toAnswers(task: AnswerTask, respondent: Respondent): Promise<TaskAnswers> {
  const found = await respondent.likelihoods(task.items)
  return { scores: scored(task, found, ({ sum, greedy }, { metric }) => (metric.name === 'acc' ? right(greedy) : sum)) }
}

async function toChoices(task: ChoiceTask, respondent: Respondent): Promise<TaskAnswers> {
  const pairs = task.items.flatMap(({ prompt, choices }) => choices.map(({ answer }) => ({ prompt, answer })))
  const all = await respondent.likelihoods(pairs)
  let at = 0
  const items = task.items.map((item) => ({ item, found: all.slice(at, (at += item.choices.length)) }))
  const best = (
    own: (typeof items)[number],
    size: (choice: ChoiceTask['items'][number]['choices'][number]) => number,
  ) => largest(own.found.map(({ sum }, i) => sum / size(own.item.choices[i]!)))
  const chosen = {
    acc: () => 1,
    acc_norm: ({ characters }: { readonly characters: number }) => characters,
    acc_bytes: ({ bytes }: { readonly bytes: number }) => bytes,
  }
  return {
    scores: scored(task, items, (own, { metric: { name } }) =>
      name === 'exact_match'
        ? right(own.item.gold.some((i) => own.found[i]!.greedy))
        : right(own.item.gold.includes(best(own, chosen[name as keyof typeof chosen]))),
    ),
    said: items.map((own) => best(own, chosen[mainMetric(task)?.metric.name as keyof typeof chosen] ?? chosen.acc)),
  }
}

/** The first of the largest. */
const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values))

async function toTexts(task: TextTask, respondent: Respondent): Promise<TaskAnswers> {
  const all = await respondent.likelihoods(task.items.flatMap(({ windows }) => windows))
  let at = 0
  const items = task.items.map((item) => ({
    ...item,
    sum: all.slice(at, (at += item.windows.length)).reduce((sum, own) => sum + own.sum, 0),
    tokens: item.windows.reduce((sum, { answer }) => sum + answer.length, 0),
  }))
  return {
    scores: scored(
      task,
      items,
      ({ sum }) => sum,
      ({ words, bytes, tokens }, { metric: { name } }) =>
        name === 'word_perplexity' ? words : name === 'token_perplexity' ? tokens : bytes,
    ),
  }
}

async function toGenerations(task: GenerationTask, respondent: Respondent): Promise<TaskAnswers> {
  const tokenizer = respondent.tokenizer()
  const tokens = task.items.map((): number[] => [])
  const textOf = (ids: readonly number[]) => tokenizer.decode(ids)
  const generated = generateAll(
    respondent.model,
    task.items.map(({ prompt }) => prompt),
    {
      maxTokens: task.most,
      threads: respondent.threads,
      isOver: (ids) => task.until.length > 0 && task.until.some((end) => textOf(ids).includes(end)),
    },
  )
  for await (const { sequence, token } of generated) tokens[sequence]!.push(token)
  const said = tokens.map((ids) => cut(textOf(ids), task.until))
  const filtered = task.filters.map(({ steps }) => said.map((text) => steps.reduce(applied, text)))
  return {
    scores: scored(task, [...task.items.keys()], (i, { metric, filter }) =>
      right(task.items[i]!.gold.some((gold) => sameText(gold, filtered[filter]![i]!, metric))),
    ),
    said,
  }
}
