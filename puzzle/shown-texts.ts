import type { TaskItems } from '../data/task.js'
import type { Sequences } from '../data/sequences.js'
import { Failure } from '../api/index.js'
import { generateAll, Tokenizer, type Model } from '../model/index.js'
import type { Yardstick } from './evaluation.js'
import { ending, itemTexts, start, type PairedItem, type PairedTask } from './paired-task.js'

/** How parent and child continue the beginning of a held-out text. */
export interface Continuation {
  /** The end of it, where it is long. */
  readonly prompt: string
  /** How the text goes on. */
  readonly actual: string
  readonly parent: string
  readonly child: string
}

/** What parent and child write, for people to read. Artifact `texts` of the final evaluation; result.json does not have it. */
export interface ShownTexts {
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

/** Most tokens of a prompt, and of what is generated after it. */
const [promptTokens, generatedTokens] = [64, 24]

/** Most items of all tasks whose answers are generated: prompts of each length need a session of each model. */
const mostGenerated = 40

/**
 * Lets parent and child continue held-out texts, greedily, and answer the items of tasks that only one of them answers right.
 * @param most  texts, and items of each kind of each task
 * @returns undefined where there is no tokenizer: the data are token ids
 */
export async function shownTexts(
  { parent, held, tasks, threads }: Pick<Yardstick, 'parent' | 'held' | 'tasks' | 'threads'>,
  child: Model,
  paired: Readonly<Record<string, PairedTask>>,
  most: number,
): Promise<ShownTexts | undefined> {
  const tokenizer = tokenizerOf(parent)
  if (!tokenizer) return undefined
  const decode = (ids: readonly number[], special = false) => tokenizer.decode(ids, { special }).trim()
  const both = async (prompts: readonly (readonly number[])[], maxTokens: number) =>
    [await continued(parent, prompts, maxTokens, threads), await continued(child, prompts, maxTokens, threads)] as const
  const texts = beginnings(held, most)
  const [byParent, byChild] = await both(
    texts.map(({ prompt }) => prompt),
    generatedTokens,
  )
  const shown: Record<string, { losses: PairedItem[]; wins: PairedItem[] }> = {}
  let left = mostGenerated
  for (const [name, task] of Object.entries(tasks)) {
    const { outcomes } = paired[name] ?? {}
    if (!outcomes || outcomes.losses.length + outcomes.wins.length === 0) continue
    const chosen = { losses: outcomes.losses.slice(0, most), wins: outcomes.wins.slice(0, most) }
    const answers = await answersOf(task, [...chosen.losses, ...chosen.wins].slice(0, left), both)
    left -= answers.size
    const told = (own: PairedItem): PairedItem => {
      const answer = answers.get(own.item)
      return {
        ...own,
        ...itemTexts(task, own.item, decode, mostCharacters),
        ...(answer && { parent: start(decode(answer[0], true)), child: start(decode(answer[1], true)) }),
      }
    }
    shown[name] = { losses: chosen.losses.map(told), wins: chosen.wins.map(told) }
  }
  return {
    continuations: texts.map(({ prompt, rest }, i) => ({
      prompt: ending(decode(prompt), mostCharacters),
      actual: start(decode(rest), mostCharacters),
      parent: start(decode(byParent[i]!), mostCharacters),
      child: start(decode(byChild[i]!), mostCharacters),
    })),
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

/** Generates greedily. @returns the tokens after each prompt */
async function continued(
  model: Model,
  prompts: readonly (readonly number[])[],
  maxTokens: number,
  threads: number,
): Promise<readonly (readonly number[])[]> {
  const tokens = prompts.map((): number[] => [])
  for await (const { sequence, token } of generateAll(model, prompts, { maxTokens, threads }))
    tokens[sequence]!.push(token)
  return tokens
}

/** Beginnings of different texts, all of the same length, so that they are continued together. */
function beginnings(
  { count, length, ids, mask }: Sequences,
  most: number,
): readonly { readonly prompt: readonly number[]; readonly rest: readonly number[] }[] {
  const lengths = Array.from({ length: count }, (_, i) => {
    const padding = mask.subarray(i * length, (i + 1) * length).indexOf(0)
    return padding === -1 ? length : padding
  })
  const size = Math.min(promptTokens, Math.floor(Math.max(0, ...lengths) / 2))
  const found = new Map<string, { prompt: readonly number[]; rest: readonly number[] }>()
  for (const [i, own] of lengths.entries()) {
    if (size === 0 || own <= size || found.size === most) continue
    const tokens = [...ids.subarray(i * length, i * length + own)]
    const prompt = tokens.slice(0, size)
    if (!found.has(prompt.join()))
      found.set(prompt.join(), { prompt, rest: tokens.slice(size, size + generatedTokens) })
  }
  return [...found.values()]
}

/** What both say where a task asks for the most likely tokens: as many as the right answer has. By item; empty for other tasks, whose
 *  answers are known. */
async function answersOf(
  task: TaskItems,
  items: readonly PairedItem[],
  both: (
    prompts: readonly (readonly number[])[],
    maxTokens: number,
  ) => Promise<readonly [parent: readonly (readonly number[])[], child: readonly (readonly number[])[]]>,
): Promise<ReadonlyMap<number, readonly [parent: readonly number[], child: readonly number[]]>> {
  if ((task.kind !== undefined && task.kind !== 'answers') || items.length === 0) return new Map()
  const asked = items.map(({ item }) => task.items[item]!)
  const sizes = asked.map(({ answer }) => answer.length)
  const [parent, child] = await both(
    asked.map(({ prompt }) => prompt),
    Math.max(...sizes),
  )
  return new Map(
    items.map(({ item }, i) => [item, [parent[i]!.slice(0, sizes[i]), child[i]!.slice(0, sizes[i])] as const]),
  )
}
