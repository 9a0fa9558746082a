import type { RotaryConfig } from '../api/index.js'
import { unreachable } from '../errors/unreachable.js'

/**
 * Computes cosines and sines of a rotary embedding for positions start..start+length-1, each [length, headDim] with the
 * angles repeated in the second half of the head (Hugging Face's order). Dynamic scaling depends on the end of the chunk: as
 * in transformers, the whole chunk has the frequencies of a sequence that ends there, and earlier chunks keep theirs.
 *
 * @source Su et al., arXiv 2104.09864, eq. 34
 */
export function rotaryTables(
  rotary: RotaryConfig,
  headDim: number,
  start: number,
  length: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = headDim / 2
  const frequencies = inverseFrequencies(rotary, headDim, start + length)
  const factor = rotary.scaling?.kind === 'yarn' ? rotary.scaling.attentionFactor : 1
  const cos = new Float32Array(length * headDim)
  const sin = new Float32Array(length * headDim)
  for (let t = 0; t < length; t++)
    for (let i = 0; i < half; i++) {
      const angle = (start + t) * frequencies[i]!
      const at = t * headDim + i
      cos[at] = cos[at + half] = factor * Math.cos(angle)
      sin[at] = sin[at + half] = factor * Math.sin(angle)
    }
  return { cos, sin }
}

/** Whether a position has the same angles in every chunk. */
export const isFixed = ({ scaling }: RotaryConfig): boolean => scaling?.kind !== 'dynamic'

type Scaling = NonNullable<RotaryConfig['scaling']>

/** Radians per position of each pair, in float32 as the reference computes them.
 *  @param end  tokens of the sequence up to the end of the chunk */
export function inverseFrequencies({ theta, scaling }: RotaryConfig, headDim: number, end: number): Float32Array {
  const frequencyOf = (base: number, i: number) => 1 / Math.pow(base, (2 * i) / headDim)
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = frequencyOf(theta, i)
    switch (scaling?.kind) {
      case undefined:
        return frequency
      case 'none':
        return 0
      case 'linear':
        return frequency / scaling.factor
      case 'dynamic':
        return frequencyOf(stretched(theta, scaling, headDim, end), i)
      case 'llama3':
        return llama3(frequency, scaling)
      case 'yarn':
        return yarn(frequency, scaling, theta, headDim, i)
      default:
        return unreachable(scaling)
    }
  })
}

/** Scales theta by NTK, for a sequence longer than the model was trained on: the slowest pair turns as far as it does at
 *  `originalPositions`, times the factor.
 *  @source transformers, `_compute_dynamic_ntk_parameters` */
function stretched(
  theta: number,
  { factor, originalPositions }: Extract<Scaling, { kind: 'dynamic' }>,
  headDim: number,
  end: number,
): number {
  if (end <= originalPositions) return theta
  return theta * Math.pow((factor * end) / originalPositions - (factor - 1), headDim / (headDim - 2))
}

/** Llama 3: stretches long wavelengths, keeps short ones, and interpolates those in between.
 *  @source transformers, `_compute_llama3_parameters` */
function llama3(
  frequency: number,
  {
    factor,
    lowFrequencyFactor: low,
    highFrequencyFactor: high,
    originalPositions,
  }: Extract<Scaling, { kind: 'llama3' }>,
): number {
  const wavelength = (2 * Math.PI) / frequency
  if (wavelength > originalPositions / low) return frequency / factor
  if (wavelength < originalPositions / high) return frequency
  const smooth = (originalPositions / wavelength - low) / (high - low)
  return ((1 - smooth) * frequency) / factor + smooth * frequency
}

/** YaRN: interpolates pairs that turn less than `betaSlow` times in the original context, keeps those that turn more than
 *  `betaFast` times, and ramps over the pairs in between.
 *  @source Peng et al., arXiv 2309.00071, section 3.2 */
function yarn(
  frequency: number,
  { factor, originalPositions, betaFast, betaSlow, truncate }: Extract<Scaling, { kind: 'yarn' }>,
  theta: number,
  headDim: number,
  i: number,
): number {
  const pairThatTurns = (times: number) =>
    (headDim * Math.log(originalPositions / (times * 2 * Math.PI))) / (2 * Math.log(theta))
  const [first, last] = [pairThatTurns(betaFast), pairThatTurns(betaSlow)]
  const low = Math.max(truncate ? Math.floor(first) : first, 0)
  const high = Math.min(truncate ? Math.ceil(last) : last, headDim - 1)
  const interpolated = Math.min(Math.max((i - low) / (high === low ? 0.001 : high - low), 0), 1)
  return (frequency / factor) * interpolated + frequency * (1 - interpolated)
}
