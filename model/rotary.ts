import type { RotaryConfig } from './config.js'

/**
 * Cosines and sines of rotary embedding for positions start..start+length-1, each [length, headDim] with the angles
 * repeated for the second half of the head (Hugging Face's order).
 */
export function rotaryTables(
  rotary: RotaryConfig,
  headDim: number,
  start: number,
  length: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = headDim / 2
  const frequencies = inverseFrequencies(rotary, headDim)
  const cos = new Float32Array(length * headDim)
  const sin = new Float32Array(length * headDim)
  for (let t = 0; t < length; t++)
    for (let i = 0; i < half; i++) {
      const angle = (start + t) * frequencies[i]!
      const at = t * headDim + i
      cos[at] = cos[at + half] = Math.cos(angle)
      sin[at] = sin[at + half] = Math.sin(angle)
    }
  return { cos, sin }
}

/** Radians per position of each pair, in float32 as the reference computes them. */
function inverseFrequencies({ theta, scaling }: RotaryConfig, headDim: number): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = 1 / Math.pow(theta, (2 * i) / headDim)
    if (scaling === undefined) return frequency
    if (scaling.kind === 'linear') return frequency / scaling.factor
    // Llama 3: long wavelengths are stretched, short ones kept, those between interpolated.
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling
    const wavelength = (2 * Math.PI) / frequency
    if (wavelength > originalPositions / low) return frequency / factor
    if (wavelength < originalPositions / high) return frequency
    const smooth = (originalPositions / wavelength - low) / (high - low)
    return ((1 - smooth) * frequency) / factor + smooth * frequency
  })
}
