import { Failure } from '../../api/index.js'
import { padded } from '../../data/sequences.js'
import { Head, openModel } from '../../model/index.js'
import { parameterCount } from '../../puzzle/costs.js'
import { lastHidden } from '../../puzzle/evaluation.js'
import { processors } from '../../tensor/processors.js'
import { loadPlugins } from '../registry.js'

/** Parameters up to which a model is run as a check: that takes seconds. */
const mostParameters = 4e8

/** Tokens of each sequence that are looked at. */
const tokensLookedAt = 256

/** Mean loss of a model on the same tokens, nats. */
export interface Beginnings {
  readonly asTheyAre: number
  /** With the tokens in front that its tokenizer puts at the beginning of a text. */
  readonly begun: number
}

/**
 * Runs a model on sequences that do not begin as its tokenizer begins a text, as they are and begun so.
 * @param groups  token ids of sequences, at least one in each group
 * @param begin   the tokens that begin a text
 * @returns of each group; undefined if the model is too large to be run as a check, or cannot be opened without plugins
 */
export async function lossesOf(
  folder: string,
  groups: readonly (readonly (readonly number[])[])[],
  begin: readonly number[],
): Promise<Beginnings[] | undefined> {
  const model = await openModel(folder, loadPlugins().blocks).catch((error: unknown) => {
    if (error instanceof Failure) return undefined
    throw error
  })
  if (!model || parameterCount(model) > mostParameters) return undefined
  const texts = groups.flatMap((group) => group.map((ids) => ids.slice(0, tokensLookedAt)))
  const length = begin.length + Math.max(...texts.map((ids) => ids.length))
  const held = padded([...texts, ...texts.map((ids) => [...begin, ...ids])], 2 * texts.length, length)
  const threads = processors()
  const states = await lastHidden(model, held, threads)
  const head = await Head.create(model, threads)
  // Behind each token stands the next one; what is predicted at the end of a row is not looked at.
  const { loss } = await head.answers(states, [...held.ids.subarray(1), 0])
  await head.release()
  // The first token of a text is predicted only if others stand in front of it: in both cases it is left out.
  const lossesIn = (row: number, skip: number, { length: own }: readonly number[]) =>
    loss.subarray(row * length + skip, row * length + skip + own - 1)
  let first = 0
  return groups.map(({ length: count }) => {
    const rows = texts.slice(first, first + count).map((ids, i) => [first + i, ids] as const)
    first += count
    return {
      asTheyAre: mean(rows.flatMap(([row, ids]) => [...lossesIn(row, 0, ids)])),
      begun: mean(rows.flatMap(([row, ids]) => [...lossesIn(texts.length + row, begin.length, ids)])),
    }
  })
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
