import { uniform } from '../tensor/random.js'

/** How the next token is chosen. Omitted options have no effect. */
export interface SamplingOptions {
  /** Divides the logits; 0 always chooses the most likely token. @default 0 */
  readonly temperature?: number
  /** Number of most likely tokens to draw from. @default all */
  readonly topK?: number
  /** Nucleus sampling: draws from the smallest set of most likely tokens whose total probability is at least this, above 0
   *  and up to 1. @default 1
   *  @source Holtzman et al., arXiv 1904.09751, section 3.1 */
  readonly topP?: number
  /** Divides positive logits of tokens that have already occurred, and multiplies negative ones. @default 1 (no penalty)
   *  @source Keskar et al., arXiv 1909.05858, section 4.1 */
  readonly repetitionPenalty?: number
  /** Seed of the random numbers. @default 1 */
  readonly seed?: number
}

/** Whether every choice is the model's most likely token, so that no logits are needed. */
export const isGreedy = ({ temperature = 0, repetitionPenalty = 1 }: SamplingOptions): boolean =>
  temperature === 0 && repetitionPenalty === 1

/**
 * Draws tokens of one sequence. Filters apply in transformers' order: penalty, temperature, top-k, top-p. Of equal logits,
 * the lower id counts as more likely.
 *
 * @returns a function of the logits, [vocabulary], which it does not change, and of the tokens so far
 */
export function sampler(options: SamplingOptions): (logits: Float32Array, seen: Iterable<number>) => number {
  const { temperature = 0, topK = Infinity, topP = 1, repetitionPenalty = 1, seed = 1 } = options
  const random = uniform(seed)
  return (given, seen) => {
    const logits = repetitionPenalty === 1 ? given : penalised(given, seen, repetitionPenalty)
    if (temperature === 0) return mostLikely(logits)
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity)
    const weights = Float64Array.from(logits, (x) => Math.exp((x - largest) / temperature))
    const ids = nucleus(candidates(weights, topK), weights, topP)
    const total = sumOf(ids, weights)
    let left = random() * total
    for (const id of ids) if ((left -= weights[id]!) < 0) return id
    return ids.at(-1)!
  }
}

function penalised(logits: Float32Array, seen: Iterable<number>, penalty: number): Float32Array {
  const changed = logits.slice()
  for (const id of new Set(seen)) {
    const logit = logits[id]!
    changed[id] = logit > 0 ? logit / penalty : logit * penalty
  }
  return changed
}

/** Returns the most likely token; of equally likely ones, the one with the lowest id. @param logits  [vocabulary] */
export function mostLikely(logits: Float32Array): number {
  let best = 0
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id
  return best
}

/** The `count` ids with the largest weights, in the order of the ids. */
function candidates(weights: Float64Array, count: number): Uint32Array {
  const all = Uint32Array.from(weights, (_, id) => id)
  if (count >= all.length) return all
  return heaviestFirst(all, weights).slice(0, count).sort()
}

/** The fewest ids whose weights add up to the share `p` of all, largest first. */
function nucleus(ids: Uint32Array, weights: Float64Array, p: number): Uint32Array {
  if (p >= 1) return ids
  const total = sumOf(ids, weights)
  // All weights below this add up to less than the share that may be left out, so they need no sorting.
  const least = ((1 - p) * total) / ids.length
  const sorted = heaviestFirst(
    ids.filter((id) => weights[id]! >= least),
    weights,
  )
  let sum = 0
  let count = 0
  while (count < sorted.length && sum < p * total) sum += weights[sorted[count++]!]!
  return sorted.slice(0, Math.max(1, count)).sort()
}

const heaviestFirst = (ids: Uint32Array, weights: Float64Array): Uint32Array =>
  ids.sort((a, b) => weights[b]! - weights[a]! || a - b)

function sumOf(ids: Uint32Array, weights: Float64Array): number {
  let sum = 0
  for (const id of ids) sum += weights[id]!
  return sum
}
