import { generateAll, type Model } from '../model/index.js'

/** What a model goes on with. */
export interface Beginning {
  readonly ids: readonly number[]
  /** Most tokens that follow. */
  readonly most: number
}

/** Prompts of lengths that differ by at most this are continued together: a token more for all of them costs less than a session
 *  for each length. */
const mostApart = 16

/** Most prompts that are continued together. */
const batch = 32

/** Continues prompts with the most likely tokens. @returns the tokens after each, in their order */
export async function continueGreedily(
  model: Model,
  beginnings: readonly Beginning[],
  threads: number,
): Promise<readonly (readonly number[])[]> {
  const tokens = beginnings.map((): number[] => [])
  // By their lengths, so that neighbours fill batches.
  const order = [...beginnings.keys()].sort((a, b) => beginnings[a]!.ids.length - beginnings[b]!.ids.length)
  const own = order.map((i) => beginnings[i]!)
  const { maxPositions } = model.config
  const generated = generateAll(
    model,
    own.map(({ ids }) => ids),
    {
      ...{ batch, mostApart, threads },
      maxTokens: Math.max(0, ...own.map(({ most }) => most)),
      isOver: ({ length }, i) => length === own[i]!.most || own[i]!.ids.length + length === maxPositions,
    },
  )
  for await (const { sequence, token } of generated) tokens[order[sequence]!]!.push(token)
  return tokens
}
