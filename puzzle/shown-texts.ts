import type { AnswerTask, TaskItems } from '../data/task.js'
import type { Sequences } from '../data/sequences.js'
import { Failure } from '../api/index.js'
import { Tokenizer, type Model } from '../model/index.js'
import { continueGreedily, type Beginning } from './continue-greedily.js'
import type { Yardstick } from './evaluation.js'
import { ending, itemTexts, start, type PairedItem, type PairedTask } from './paired-task.js'

/** How parent and child continue a prompt. */
export interface Continuation {
  /** The end of it, where it is long. */
  readonly prompt: string
  /** How the text goes on. Absent where the prompt is one of the spec. */
  readonly actual?: string
  readonly parent: string
  readonly child: string
}

/** What parent and child write, for people to read. Artifact `texts` of the final evaluation; result.json does not have it. */
export interface ShownTexts {
  /** Prompts of the spec. Absent where it has none. */
  readonly prompts?: readonly Continuation[]
  /** Beginnings of held-out texts. */
  readonly continuations: readonly Continuation[]
  /** Items of each task that only one of the two answers right, with both answers. */
  readonly tasks: Readonly<
    Record<string, { readonly losses: readonly PairedItem[]; readonly wins: readonly PairedItem[] }>
  >
}

/** Most texts, and most items won and lost of each task, that are shown. */
export const mostShown = 20

/** Most characters of a text that is shown. */
const mostCharacters = 600

/** Most tokens of the beginning of a text, and of what is generated after it. */
const [promptTokens, generatedTokens] = [64, 24]

/** Most tokens that are generated after a prompt of the spec. */
const answeredTokens = 40

/** Most items of all tasks whose answers are generated. */
const mostGenerated = 40

/**
 * Lets parent and child continue held-out texts and the prompts of a spec, greedily, and answer the items of tasks that only one of
 * them answers right.
 * @param most     texts, and items of each kind of each task
 * @param prompts  of the spec, as token ids
 * @returns undefined where there is no tokenizer: the data are token ids
 */
export async function shownTexts(
  { parent, held, tasks, threads }: Pick<Yardstick, 'parent' | 'held' | 'tasks' | 'threads'>,
  child: Model,
  paired: Readonly<Record<string, PairedTask>>,
  most: number,
  prompts: readonly (readonly number[])[] = [],
): Promise<ShownTexts | undefined> {
  const tokenizer = tokenizerOf(parent)
  if (!tokenizer) return undefined
  const decode = (ids: readonly number[], special = false) => tokenizer.decode(ids, { special }).trim()
  const texts = beginnings(held, most)
  const items = most === 0 ? [] : unlikeItems(tasks, paired, most)
  const generated = items.filter(({ answer }) => answer !== undefined).slice(0, mostGenerated)
  const both: readonly Beginning[] = [
    ...prompts.map((ids) => ({ ids, most: answeredTokens })),
    ...texts.map(({ ids }) => ({ ids, most: generatedTokens })),
  ]
  // Of an item that is lost, the parent's answer is the right one, and so is the child's of one that is won.
  const written = async (model: Model, by: UnlikeItem['missedBy']) => {
    const missed = generated.filter(({ missedBy }) => missedBy === by)
    const asked = missed.map(({ prompt, answer }) => ({ ids: prompt, most: answer!.length }))
    const all = await continueGreedily(model, [...both, ...asked], threads)
    return { all, answers: new Map(missed.map((item, i) => [item, all[both.length + i]!])) }
  }
  const [byParent, byChild] = [await written(parent, 'parent'), await written(child, 'child')]
  const shown: Record<string, { losses: PairedItem[]; wins: PairedItem[] }> = {}
  for (const item of items) {
    const { name, own, missedBy, answer } = item
    const said = (answers: ReadonlyMap<UnlikeItem, readonly number[]>) =>
      start(decode(answers.get(item) ?? answer!, true))
    const kinds = (shown[name] ??= { losses: [], wins: [] })
    kinds[missedBy === 'child' ? 'losses' : 'wins'].push({
      ...own,
      ...itemTexts(tasks[name]!, own.item, decode, mostCharacters),
      ...(generated.includes(item) && { parent: said(byParent.answers), child: said(byChild.answers) }),
    })
  }
  const continued = (ids: readonly number[], i: number, rest?: readonly number[]): Continuation => ({
    prompt: ending(decode(ids), mostCharacters),
    ...(rest && { actual: start(decode(rest), mostCharacters) }),
    parent: start(decode(byParent.all[i]!), mostCharacters),
    child: start(decode(byChild.all[i]!), mostCharacters),
  })
  return {
    ...(prompts.length > 0 && { prompts: prompts.map((ids, i) => continued(ids, i)) }),
    continuations: texts.map(({ ids, rest }, i) => continued(ids, prompts.length + i, rest)),
    tasks: shown,
  }
}

function tokenizerOf({ folder, config }: Model): Tokenizer | undefined {
  try {
    return Tokenizer.open(folder, config.vocabulary)
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** Beginnings of different texts, all of the same length. */
function beginnings(
  { count, length, ids, mask }: Sequences,
  most: number,
): readonly { readonly ids: readonly number[]; readonly rest: readonly number[] }[] {
  const lengths = Array.from({ length: count }, (_, i) => {
    const padding = mask.subarray(i * length, (i + 1) * length).indexOf(0)
    return padding === -1 ? length : padding
  })
  const size = Math.min(promptTokens, Math.floor(Math.max(0, ...lengths) / 2))
  const found = new Map<string, { ids: readonly number[]; rest: readonly number[] }>()
  for (const [i, own] of lengths.entries()) {
    if (size === 0 || own <= size || found.size === most) continue
    const tokens = [...ids.subarray(i * length, i * length + own)]
    const begun = tokens.slice(0, size)
    if (!found.has(begun.join()))
      found.set(begun.join(), { ids: begun, rest: tokens.slice(size, size + generatedTokens) })
  }
  return [...found.values()]
}

/** An item that only one of the two answers right. */
interface UnlikeItem {
  /** Of its task. */
  readonly name: string
  readonly own: PairedItem
  readonly missedBy: 'parent' | 'child'
  readonly prompt: readonly number[]
  /** The right answer, where a task asks for the most likely tokens. What is said to items of other tasks is known. */
  readonly answer: readonly number[] | undefined
}

/** The first items of each task that only one of the two answers right. @param most  of each kind of each task */
function unlikeItems(
  tasks: Readonly<Record<string, TaskItems>>,
  paired: Readonly<Record<string, PairedTask>>,
  most: number,
): readonly UnlikeItem[] {
  return Object.entries(tasks).flatMap(([name, task]) => {
    const { losses = [], wins = [] } = paired[name]?.outcomes ?? {}
    const asked = isAnswers(task) ? task.items : undefined
    const unlike = (missedBy: UnlikeItem['missedBy']) => (own: PairedItem) => ({
      ...{ name, own, missedBy },
      prompt: asked?.[own.item]!.prompt ?? [],
      answer: asked?.[own.item]!.answer,
    })
    return [...losses.slice(0, most).map(unlike('child')), ...wins.slice(0, most).map(unlike('parent'))]
  })
}

const isAnswers = (task: TaskItems): task is AnswerTask => task.kind === undefined || task.kind === 'answers'
