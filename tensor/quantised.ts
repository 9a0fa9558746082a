import { ShapeError } from './types.js'

/** Bits of an integer that stands for a weight. */
export type Bits = 4 | 8

/** Inputs that share a scale: what onnxruntime's MatMulNBits calls `block_size`. */
export const quantisationBlock = 32

/**
 * A matrix [in, out] of integers: w = (level - 2^(bits-1)) * scale. Every `quantisationBlock` inputs of an output have a
 * scale of their own; where `in` is no multiple of it, the last of them has fewer.
 */
export interface QuantisedMatrix {
  readonly bits: Bits
  readonly shape: readonly [inputs: number, outputs: number]
  /** [out, blocks, bytes of a block], of two 4-bit levels in a byte the first in its lower half. */
  readonly levels: Uint8Array
  /** [out, blocks] */
  readonly scales: Float32Array
}

const blocksOf = (inputs: number) => Math.ceil(inputs / quantisationBlock)

/** Bytes of a matrix of integers with its scales. */
export const quantisedBytes = ([inputs, outputs]: readonly [number, number], bits: Bits): number =>
  outputs * blocksOf(inputs) * ((quantisationBlock * bits) / 8 + 4)

/**
 * The nearest matrix of integers. The weight furthest from 0 of each block becomes the lowest level exactly, which makes
 * the scale negative where that weight is positive: then quantising what is quantised already changes no bit.
 */
export function quantise(data: Float32Array, shape: readonly number[], bits: Bits): QuantisedMatrix {
  const [inputs, outputs] = shape
  if (shape.length !== 2 || inputs === undefined || outputs === undefined || data.length !== inputs * outputs)
    throw new ShapeError('quantise', `${data.length} elements as [${shape.join(', ')}]: a matrix is needed`)
  const blocks = blocksOf(inputs)
  const half = 2 ** (bits - 1)
  const bytes = (quantisationBlock * bits) / 8
  const scales = new Float32Array(outputs * blocks)
  const levels = new Uint8Array(outputs * blocks * bytes).fill(bits === 8 ? half : half | (half << 4))
  for (let block = 0; block < blocks; block++) {
    const [first, end] = [block * quantisationBlock, Math.min(inputs, (block + 1) * quantisationBlock)]
    const scale = blockScales(data, outputs, first, end, half)
    for (let n = 0; n < outputs; n++) scales[n * blocks + block] = scale[n]!
    for (let k = first; k < end; k++)
      for (let n = 0; n < outputs; n++) {
        // As float32 divides, so that a graph that rounds weights gets the same.
        const level = Math.min(half - 1, roundEven(Math.fround(data[k * outputs + n]! / scale[n]!))) + half
        const start = (n * blocks + block) * bytes
        if (bits === 8) levels[start + k - first] = level
        else {
          const at = start + ((k - first) >> 1)
          levels[at] = (k - first) % 2 === 0 ? (levels[at]! & 0xf0) | level : (levels[at]! & 0x0f) | (level << 4)
        }
      }
  }
  return { bits, shape: [inputs, outputs], levels, scales }
}

/** Scale of every output for inputs first..end-1. Of a block of zeros any will do. */
function blockScales(data: Float32Array, outputs: number, first: number, end: number, half: number): Float32Array {
  const [least, most] = [new Float32Array(outputs), new Float32Array(outputs)]
  for (let k = first; k < end; k++)
    for (let n = 0; n < outputs; n++) {
      const w = data[k * outputs + n]!
      if (w < least[n]!) least[n] = w
      else if (w > most[n]!) most[n] = w
    }
  return least.map((low, n) => {
    const extreme = most[n]! > -low ? most[n]! : low
    return (extreme === 0 ? 1 : extreme) / -half
  })
}

/** The matrix as float32, [in, out]. */
export function dequantise({ bits, shape: [inputs, outputs], levels, scales }: QuantisedMatrix): Float32Array {
  const blocks = blocksOf(inputs)
  const half = 2 ** (bits - 1)
  const bytes = (quantisationBlock * bits) / 8
  const data = new Float32Array(inputs * outputs)
  for (let k = 0; k < inputs; k++) {
    const [block, within] = [Math.floor(k / quantisationBlock), k % quantisationBlock]
    for (let n = 0; n < outputs; n++) {
      const start = (n * blocks + block) * bytes
      const level = bits === 8 ? levels[start + within]! : (levels[start + (within >> 1)]! >> (4 * (within % 2))) & 15
      // Without zeros that have a sign.
      data[k * outputs + n] = (level - half) * scales[n * blocks + block]! + 0
    }
  }
  return data
}

/** To the nearest whole number, halves to the even one: ONNX's Round. */
function roundEven(x: number): number {
  const rounded = Math.round(x)
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}
