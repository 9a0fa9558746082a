import type { JsonObject } from '../../api/index.js'

/** What limits a search's budgets. */
export interface Available {
  /** Tokens of a sequence, padding not counted. */
  readonly tokens: number
  /** Training sequences that there are. */
  readonly train: number
  /** Held-out sequences that there are for the search. */
  readonly validate: number
}

/** Passes over the training data after which more of them teach little. */
const mostPasses = 8

/** Parameters of a search's stages that decide how long it takes, by stage. */
export type Budgets = Readonly<Record<string, JsonObject>>

/**
 * Budgets of a search that takes `scale` times the usual effort, within what the data has. Tokens of training grow with it;
 * what is measured on grows with its square root, since errors shrink so.
 */
export function budgets(scale: number, { tokens, train, validate }: Available): Budgets {
  const root = Math.sqrt(scale)
  const between = (low: number, value: number, high: number) => Math.round(Math.min(high, Math.max(low, value)))
  const ofDistill = twoDigits(Math.max(4000, 200_000 * scale))
  const captured = between(Math.min(32, train), ofDistill / tokens, Math.min(train, 4096))
  const held = (usual: number) => between(Math.min(8, validate), usual * root, validate)
  return {
    profile: { repetitions: 5, precision: 0.05, children: 3 },
    capture: { sequences: captured, validateSequences: held(96) },
    distill: { tokens: twoDigits(Math.min(ofDistill, mostPasses * captured * tokens)), batch: 8 },
    score: { sequences: held(64), pairs: 1 },
    solve: { solutions: 3, margin: 0.08 },
    refine: { evaluations: between(20, 120 * root, 240), sequences: held(64) },
    evaluate: { items: between(20, 100 * root, 1000), sequences: held(96), repetitions: 9 },
    select: { items: between(20, 100 * root, 1000), sequences: held(96), repetitions: 9, headroom: 0.02 },
    uptrain: {
      tokens: twoDigits(Math.min(Math.max(20_000, 4_000_000 * scale), mostPasses * train * tokens)),
      batch: between(1, 12, train),
    },
    'check-child': { items: between(40, 300 * root, 2000), sequences: held(96) },
    improve: { items: between(40, 300 * root, 2000), sequences: held(96) },
  }
}

/** A number of tokens that people would write. */
function twoDigits(tokens: number): number {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(tokens)) - 1)
  return Math.round(tokens / power) * power
}
