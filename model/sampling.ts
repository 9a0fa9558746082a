import { uniform } from '../tensor/random.js'

/** How the next token is drawn. What is left out changes nothing. */
export interface SamplingOptions {
  /** Logits are divided by this. 0: always the most likely token. Default 0. */
  readonly temperature?: number
  /** Only so many of the most likely tokens can be drawn. */
  readonly topK?: number
  /** Only the fewest most likely tokens can be drawn that together have this probability (Holtzman et al., arXiv
   *  1904.09751, section 3.1). Above 0, up to 1. */
  readonly topP?: number
  /** Logits of tokens that are there already are divided by this where they are positive, else multiplied (Keskar et al.,
   *  arXiv 1909.05858, section 4.1). 1: no penalty. */
  readonly repetitionPenalty?: number
  /** Of the generator of random numbers. Default 1. */
  readonly seed?: number
}

/** Whether the most likely token as the model says it is all that is asked for, so that no logits are needed. */
export const isGreedy = ({ temperature = 0, repetitionPenalty = 1 }: SamplingOptions): boolean =>
  temperature === 0 && repetitionPenalty === 1

/**
 * Draws tokens of one sequence. Filters come in transformers' order: penalty, temperature, top-k, top-p. Of equal logits the
 * lower id counts as the more likely one.
 * @returns a function of the logits ([vocabulary], left as they are) and of the tokens that are there
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

/** The most likely token, the lower id of equal ones. @param logits  [vocabulary] */
export function mostLikely(logits: Float32Array): number {
  let best = 0
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id
  return best
}

/** The `count` heaviest ids, in the order of their ids. */
function candidates(weights: Float64Array, count: number): Uint32Array {
  const all = Uint32Array.from(weights, (_, id) => id)
  if (count >= all.length) return all
  return heaviestFirst(all, weights).slice(0, count).sort()
}

/** The fewest heaviest ids with the part `p` of the weight of all. */
function nucleus(ids: Uint32Array, weights: Float64Array, p: number): Uint32Array {
  if (p >= 1) return ids
  const total = sumOf(ids, weights)
  // All below this together weigh less than what may be left out: none of them needs sorting.
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
