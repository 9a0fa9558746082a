import { Tokenizer, type ModelConfig } from '../model/index.js'
import { unreachable } from '../errors/unreachable.js'
import { mainMetric, type TaskItems } from '../data/task.js'
import { pairedDifference, type Estimate } from './statistics.js'
import type { Answers, TaskAnswers } from './task-answers.js'

/** An item that only one of the two answers right. */
export interface PairedItem {
  /** Its index in the split, from 0. */
  readonly item: number
  /** The end of its prompt. */
  readonly prompt: string
  readonly expected: string
  /** What the two said, where that is known. */
  readonly parent?: string
  readonly child?: string
}

/** Parent and child on the same items of a task. */
export interface PairedTask {
  readonly items: number
  /** Child minus parent, by metric. */
  readonly differences: Readonly<Record<string, Estimate>>
  /** Items by who answers them right, by the task's main metric. Absent where it has none. */
  readonly outcomes?: {
    readonly metric: string
    readonly both: number
    readonly neither: number
    readonly parentOnly: number
    readonly childOnly: number
    /** The first of those that only one answers right. */
    readonly losses: readonly PairedItem[]
    readonly wins: readonly PairedItem[]
  }
}

/** How items are shown to people. */
export interface Listing {
  /** Most wins, and most losses. */
  readonly most: number
  /** @param special  whether special tokens are shown, too */
  readonly decode: (ids: readonly number[], special?: boolean) => string
}

/** Most items of a task that are listed as won, and as lost. */
export const mostListed = 20

/** Most items that are listed of all tasks together. */
const mostOfAll = 100

/** Items are shown with the parent's tokenizer. @param most  of each task */
export function listingOf(
  {
    parent,
    tasks,
  }: {
    readonly parent: { readonly folder: string; readonly config: Pick<ModelConfig, 'vocabulary'> }
    readonly tasks: Readonly<Record<string, TaskItems>>
  },
  most: number,
): Listing | undefined {
  const count = Object.keys(tasks).length
  if (count === 0) return undefined
  const tokenizer = Tokenizer.open(parent.folder, parent.config.vocabulary)
  return {
    most: Math.max(2, Math.min(most, Math.floor(mostOfAll / count))),
    decode: (ids, special = false) => tokenizer.decode(ids, { special }).trim(),
  }
}

/** Most characters of a text that is listed. */
const mostCharacters = 160

/** The end of a text that is too long. */
export const ending = (text: string, most = mostCharacters): string =>
  text.length > most ? `…${text.slice(-most)}` : text

/** The start of a text that is too long. */
export const start = (text: string, most = mostCharacters): string =>
  text.length > most ? `${text.slice(0, most)}…` : text

/** Compares a child with its parent item by item, in all tasks. */
export const pairedTasks = (
  tasks: Readonly<Record<string, TaskItems>>,
  parent: Answers,
  child: Answers,
  listing?: Listing,
): Readonly<Record<string, PairedTask>> =>
  Object.fromEntries(
    Object.entries(tasks).map(([name, task]) => [name, paired(task, parent[name]!, child[name]!, listing)]),
  )

/** Compares a child with its parent item by item. */
export function paired(task: TaskItems, parent: TaskAnswers, child: TaskAnswers, listing?: Listing): PairedTask {
  const differences = Object.fromEntries(
    Object.entries(parent.scores).map(([key, own]) => [key, pairedDifference(own, child.scores[key]!)]),
  )
  const main = mainMetric(task)
  const own = { items: task.items.length, differences }
  if (!main) return own
  const [before, after] = [parent.scores[main.key]!.values, child.scores[main.key]!.values]
  const all = [...before.keys()]
  const losses = all.filter((i) => before[i]! > after[i]!)
  const wins = all.filter((i) => before[i]! < after[i]!)
  const both = all.filter((i) => before[i] === 1 && after[i] === 1).length
  const listed = (items: readonly number[]) =>
    listing ? items.slice(0, listing.most).map((i) => described(task, i, parent, child, listing)) : []
  return {
    ...own,
    outcomes: {
      metric: main.key,
      both,
      neither: all.length - both - losses.length - wins.length,
      parentOnly: losses.length,
      childOnly: wins.length,
      losses: listed(losses),
      wins: listed(wins),
    },
  }
}

function described(
  task: TaskItems,
  i: number,
  parent: TaskAnswers,
  child: TaskAnswers,
  { decode }: Listing,
): PairedItem {
  const said = (answer: number | string | undefined) =>
    answer === undefined
      ? undefined
      : start(
          typeof answer === 'string' || task.kind !== 'choices'
            ? String(answer)
            : decode(task.items[i]!.choices[answer]!.answer, true),
        )
  const [before, after] = [said(parent.said?.[i]), said(child.said?.[i])]
  return {
    item: i,
    ...itemTexts(task, i, decode),
    ...(before !== undefined && { parent: before }),
    ...(after !== undefined && { child: after }),
  }
}

/** Prompt and right answer of an item, as texts. @param most  characters of each */
export function itemTexts(
  task: TaskItems,
  i: number,
  decode: Listing['decode'],
  most = mostCharacters,
): Pick<PairedItem, 'prompt' | 'expected'> {
  switch (task.kind) {
    case undefined:
    case 'answers': {
      const { prompt, answer } = task.items[i]!
      return { prompt: ending(decode(prompt), most), expected: start(decode(answer, true), most) }
    }
    case 'choices': {
      const { prompt, choices, gold } = task.items[i]!
      return {
        prompt: ending(decode(prompt), most),
        expected: start(gold.map((k) => decode(choices[k]!.answer, true)).join(' | '), most),
      }
    }
    case 'generations': {
      const { prompt, gold } = task.items[i]!
      return { prompt: ending(decode(prompt), most), expected: start(gold.join(' | '), most) }
    }
    case 'texts':
      return { prompt: '', expected: '' }
    default:
      return unreachable(task)
  }
}
