import type { JsonObject } from '../../api/index.js'
import { inverseFrequencies } from '../rotary.js'
import type { Keys } from './read-keys.js'

/** Returns the fields of a config.json for a rotary embedding.
 *  @param divisors  values of `rope_freqs.weight`, if the file has it: frequencies are divided by them
 *  @throws Failure InvalidInput for a scaling that is not supported */
export function rotaryFields(keys: Keys, headDim: number, divisors?: Float32Array): JsonObject {
  const rotated = keys.numberOrNone('rope.dimension_count') ?? headDim
  if (rotated !== headDim)
    throw keys.refuse(
      `${keys.name('rope.dimension_count')} is ${rotated} of ${headDim}: partial rotary embedding is not supported`,
    )
  const theta = keys.numberOrNone('rope.freq_base') ?? 10000
  const scaling = scalingOf(keys)
  if (divisors && scaling) throw keys.refuse('has both a rotary scaling and rope_freqs.weight')
  const llama3 = divisors && llama3Of(keys, theta, headDim, divisors)
  return { rope_theta: theta, ...(scaling && { rope_scaling: scaling }), ...(llama3 && { rope_scaling: llama3 }) }
}

function scalingOf(keys: Keys): JsonObject | undefined {
  // `rope.scale_linear` is the older spelling.
  const factor = keys.numberOrNone('rope.scaling.factor') ?? keys.numberOrNone('rope.scale_linear') ?? 1
  const type = keys.textOrNone('rope.scaling.type') ?? 'linear'
  if (type === 'none' || (type === 'linear' && factor === 1)) return undefined
  if (type === 'linear') return { rope_type: 'linear', factor }
  if (type !== 'yarn') throw keys.refuse(`${keys.name('rope.scaling.type')} is "${type}", which is not supported`)
  for (const [key, usual] of [
    ['yarn_beta_fast', 32],
    ['yarn_beta_slow', 1],
    ['yarn_ext_factor', 1],
  ] as const) {
    const value = keys.numberOrNone(`rope.scaling.${key}`) ?? usual
    // A negative value means that none is given.
    if (value !== usual && value >= 0)
      throw keys.refuse(`${keys.name(`rope.scaling.${key}`)} is ${value}; only ${usual} is supported`)
  }
  return {
    rope_type: 'yarn',
    factor,
    original_max_position_embeddings:
      keys.numberOrNone('rope.scaling.original_context_length') ?? keys.number('context_length'),
    // llama.cpp multiplies the key's value by YaRN's own factor; the field of config.json is the product.
    attention_factor: (keys.numberOrNone('rope.scaling.attn_factor') ?? 1) * (0.1 * Math.log(factor) + 1),
  }
}

/**
 * Finds a Llama 3 scaling with these divisors. They do not determine it. Between the pairs that are kept (divisor 1) and those
 * that are stretched (divisor `factor`), 1/divisor is linear in the frequency, but this gives the low and high bounds only
 * relative to the original context, and there may be no pair in between. So parameters are tried, the most common ones first,
 * until they yield exactly these divisors.
 * @throws Failure InvalidInput if none do
 */
function llama3Of(keys: Keys, theta: number, headDim: number, divisors: Float32Array): JsonObject | undefined {
  if (divisors.length !== headDim / 2)
    throw keys.refuse(`rope_freqs.weight has ${divisors.length} values, not ${headDim / 2}`)
  if (divisors.every((d) => d === 1)) return undefined
  const plain = inverseFrequencies({ theta }, headDim, 1)
  const factor = Number(divisors.reduce((most, d) => Math.max(most, d), 0).toPrecision(6))
  for (const [low, high, original] of candidates(plain, divisors, factor)) {
    if (!(original > 0 && high > low)) continue
    const bounds = { lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions: original }
    const scaled = inverseFrequencies({ theta, scaling: { kind: 'llama3', factor, ...bounds } }, headDim, 1)
    const right = scaled.every((frequency, i) => Math.abs((frequency * divisors[i]!) / plain[i]! - 1) < 1e-5)
    if (right)
      return {
        rope_type: 'llama3',
        factor,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
      }
  }
  throw keys.refuse('rope_freqs.weight has values that do not follow Llama 3’s scaling')
}

/** Yields low and high bounds and original contexts that may have led to the divisors. */
function* candidates(plain: Float32Array, divisors: Float32Array, factor: number): Generator<[number, number, number]> {
  // Values of published models, and of tiny ones.
  for (let original = 8192; original >= 16; original /= 2) yield [1, 4, original]
  // share = (original * x - low) / (high - low), with x = 1 / wavelength; the share of the plain frequency is 1 at the high bound.
  const points = Array.from(divisors, (d, i) => ({
    x: plain[i]! / (2 * Math.PI),
    share: (1 / d - 1 / factor) / (1 - 1 / factor),
  }))
  const between = points.filter(({ share }) => share > 1e-4 && share < 1 - 1e-4)
  const [first, last] = [between[0], between.at(-1)]
  if (first && last && first !== last) {
    const slope = (first.share - last.share) / (first.x - last.x)
    const constant = first.share - slope * first.x
    const high = 1 - 1 / constant
    const original = slope * (high - 1)
    yield [1, Number(high.toPrecision(4)), Math.round(original)]
    yield [1, high, original]
    return
  }
  // Fewer than two points determine no line: tries the usual ratio of the bounds, then others, then a step between the pairs
  // that are kept and those that are stretched.
  if (first) for (const high of [4, 2, 1.1]) yield [1, high, (first.share * (high - 1) + 1) / first.x]
  const kept = Math.min(...points.filter(({ share }) => share >= 1 - 1e-4).map(({ x }) => x))
  const stretched = Math.max(...points.filter(({ share }) => share <= 1e-4).map(({ x }) => x))
  if (stretched > 0) yield [1, Math.min(kept / stretched, 4), 1 / stretched]
}
