/** Terms of the loss that a whole child is trained by: the cosine distance of the hidden states after every layer, KL of the
 *  predictions from the parent's, and the cross-entropy of the next token in the text, without the parent. */
export const uptrainLosses = ['cosine', 'kl', 'lm'] as const

export type UptrainLoss = (typeof uptrainLosses)[number]

export const usualLosses: readonly UptrainLoss[] = ['cosine', 'kl']

/** The losses in their usual order; undefined if they are the usual ones, which keys and results leave out. */
export function unusualLosses(losses: readonly UptrainLoss[] = usualLosses): readonly UptrainLoss[] | undefined {
  const sorted = uptrainLosses.filter((loss) => losses.includes(loss))
  return sorted.join() === usualLosses.join() ? undefined : sorted
}

/** How a whole child is trained. */
export interface UptrainParams {
  /** Without padding; text that has fewer is repeated. */
  readonly tokens: number
  readonly batch: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Whether the last norm stays as it is. @default false */
  readonly freezeNorm?: boolean
  /** The terms that are added up. @default cosine and kl */
  readonly losses?: readonly UptrainLoss[]
  /** Share of the tokens of a step at which predictions are compared. @default 1 */
  readonly klTokens?: number
  /** Whether one layer at a time is in memory. @default whether the parent is large */
  readonly layerwise?: boolean
  /** Layer by layer: whether the parent's hidden states are kept on disk for the next pass over the text. @default false */
  readonly keepParentStates?: boolean
}

/** How a child is trained, apart from how long: for those who train it on. What is usual is left out. */
export type Manner = Omit<UptrainParams, 'tokens' | 'freezeNorm'>

/** Picks the manner from parameters. */
export const mannerOf = ({
  batch,
  learningRate,
  weightDecay,
  losses,
  klTokens,
  layerwise,
  keepParentStates,
}: Manner): Manner => ({
  ...{ batch, learningRate, weightDecay },
  ...(losses && { losses }),
  ...(klTokens !== undefined && { klTokens }),
  ...(layerwise !== undefined && { layerwise }),
  ...(keepParentStates !== undefined && { keepParentStates }),
})
