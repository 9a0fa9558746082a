import { ShapeError } from './types.js'

/** Bits per quantised weight. */
export type Bits = 4 | 8

/** Inputs that share a scale; `block_size` of onnxruntime's MatMulNBits. */
export const quantisationBlock = 32

/**
 * A quantised matrix [in, out]: w = (level - 2^(bits-1)) * scale. Each block of `quantisationBlock` inputs of an output has its
 * own scale; the last block is shorter if `in` is not a multiple of the block size.
 */
export interface QuantisedMatrix {
  /** Bits per weight. */
  readonly bits: Bits
  /** Shape of the matrix, [in, out]. */
  readonly shape: readonly [inputs: number, outputs: number]
  /** [out, blocks, bytes per block]; of two 4-bit levels in a byte, the first is in the lower half. */
  readonly levels: Uint8Array
  /** [out, blocks] */
  readonly scales: Float32Array
}

const blocksOf = (inputs: number) => Math.ceil(inputs / quantisationBlock)

/** Size of a quantised matrix in bytes, including its scales. */
export const quantisedBytes = ([inputs, outputs]: readonly [number, number], bits: Bits): number =>
  outputs * blocksOf(inputs) * ((quantisationBlock * bits) / 8 + 4)

/**
 * Rounds a matrix to the nearest quantised one. In each block, the weight furthest from 0 becomes exactly the lowest level;
 * the scale is negative if that weight is positive. Hence quantising a quantised matrix again does not change a bit.
 *
 * @param data   [in, out], row-major
 * @param shape  [in, out]
 * @throws ShapeError if the data is not a matrix of that shape
 * @source the format of llama.cpp's `Q4_0`
 */
export function quantise(data: Float32Array, shape: readonly number[], bits: Bits): QuantisedMatrix {
  const [inputs, outputs] = sidesOf('quantise', data, shape)
  const { blocks, half, bytes, scales, levels } = zeros(inputs, outputs, bits)
  for (let block = 0; block < blocks; block++) {
    const [first, end] = [block * quantisationBlock, Math.min(inputs, (block + 1) * quantisationBlock)]
    const scale = blockScales(data, outputs, first, end, half)
    for (let n = 0; n < outputs; n++) scales[n * blocks + block] = scale[n]!
    for (let k = first; k < end; k++)
      for (let n = 0; n < outputs; n++) {
        const level = levelOf(data[k * outputs + n]!, scale[n]!, half)
        const start = (n * blocks + block) * bytes
        putLevel(levels, start, k - first, level, bits)
      }
  }
  return { bits, shape: [inputs, outputs], levels, scales }
}

/** The two sides of a matrix. @throws ShapeError if the data is not a matrix of that shape */
function sidesOf(operation: string, data: Float32Array, shape: readonly number[]): readonly [number, number] {
  const [first, second] = shape
  if (shape.length !== 2 || first === undefined || second === undefined || data.length !== first * second)
    throw new ShapeError(operation, `${data.length} elements are not a matrix of shape [${shape.join(', ')}]`)
  return [first, second]
}

/** Room for a quantised matrix, and its sizes: all levels stand for 0. */
function zeros(inputs: number, outputs: number, bits: Bits) {
  const blocks = blocksOf(inputs)
  const half = 2 ** (bits - 1)
  const bytes = (quantisationBlock * bits) / 8
  const scales = new Float32Array(outputs * blocks)
  const levels = new Uint8Array(outputs * blocks * bytes).fill(bits === 8 ? half : half | (half << 4))
  return { blocks, half, bytes, scales, levels }
}

/** The scale of each output for the inputs first..end-1. A block of zeros may have any scale. */
function blockScales(data: Float32Array, outputs: number, first: number, end: number, half: number): Float32Array {
  const [lowest, highest] = [new Float32Array(outputs), new Float32Array(outputs)]
  for (let k = first; k < end; k++)
    for (let n = 0; n < outputs; n++) {
      const w = data[k * outputs + n]!
      if (w < lowest[n]!) lowest[n] = w
      else if (w > highest[n]!) highest[n] = w
    }
  return lowest.map((low, n) => scaleOf(low, highest[n]!, half))
}

/**
 * The same for a matrix that lies as [out, in], such as a head: nothing is transposed.
 *
 * @param shape  [out, in]
 * @returns the quantised matrix [in, out]
 */
export function quantiseRows(data: Float32Array, shape: readonly number[], bits: Bits): QuantisedMatrix {
  const [outputs, inputs] = sidesOf('quantiseRows', data, shape)
  const { blocks, half, bytes, scales, levels } = zeros(inputs, outputs, bits)
  for (let n = 0; n < outputs; n++)
    for (let block = 0; block < blocks; block++) {
      const first = n * inputs + block * quantisationBlock
      const count = Math.min(quantisationBlock, inputs - block * quantisationBlock)
      let [lowest, highest] = [0, 0]
      for (let k = first; k < first + count; k++) {
        const w = data[k]!
        if (w < lowest) lowest = w
        else if (w > highest) highest = w
      }
      const scale = Math.fround(scaleOf(lowest, highest, half))
      scales[n * blocks + block] = scale
      const start = (n * blocks + block) * bytes
      for (let k = 0; k < count; k++) {
        const level = levelOf(data[first + k]!, scale, half)
        putLevel(levels, start, k, level, bits)
      }
    }
  return { bits, shape: [inputs, outputs], levels, scales }
}

/** Converts a quantised matrix to float32, [out, in]: the inverse of `quantiseRows`. */
export function dequantiseRows({ bits, shape: [inputs, outputs], levels, scales }: QuantisedMatrix): Float32Array {
  const blocks = blocksOf(inputs)
  const half = 2 ** (bits - 1)
  const bytes = (quantisationBlock * bits) / 8
  const data = new Float32Array(inputs * outputs)
  for (let n = 0; n < outputs; n++)
    for (let block = 0; block < blocks; block++) {
      const scale = scales[n * blocks + block]!
      const start = (n * blocks + block) * bytes
      const first = n * inputs + block * quantisationBlock
      const count = Math.min(quantisationBlock, inputs - block * quantisationBlock)
      for (let k = 0; k < count; k++) data[first + k] = (levelAt(levels, start, k, bits) - half) * scale + 0
    }
  return data
}

/** The level of a weight, from 0. Divides in float32, like `fakeQuantise`, to get the same. */
const levelOf = (w: number, scale: number, half: number): number =>
  Math.min(half - 1, roundEven(Math.fround(w / scale))) + half

/** The scale by which the weight furthest from 0 is the lowest level. A block of zeros may have any. */
function scaleOf(lowest: number, highest: number, half: number): number {
  const extreme = highest > -lowest ? highest : lowest
  return (extreme === 0 ? 1 : extreme) / -half
}

/** Writes a level of a block of inputs that begins at `start`. Of two 4-bit levels in a byte, the first is in the lower half. */
function putLevel(levels: Uint8Array, start: number, k: number, level: number, bits: Bits): void {
  const at = start + (bits === 8 ? k : k >> 1)
  if (bits === 8) levels[at] = level
  else levels[at] = k % 2 === 0 ? (levels[at]! & 0xf0) | level : (levels[at]! & 0x0f) | (level << 4)
}

/** Reads a level of a block of inputs that begins at `start`. */
const levelAt = (levels: Uint8Array, start: number, k: number, bits: Bits): number =>
  bits === 8 ? levels[start + k]! : (levels[start + (k >> 1)]! >> (4 * (k % 2))) & 15

/** Converts a quantised matrix to float32, [in, out]. */
export function dequantise({ bits, shape: [inputs, outputs], levels, scales }: QuantisedMatrix): Float32Array {
  const blocks = blocksOf(inputs)
  const half = 2 ** (bits - 1)
  const bytes = (quantisationBlock * bits) / 8
  const data = new Float32Array(inputs * outputs)
  for (let k = 0; k < inputs; k++) {
    const [block, within] = [Math.floor(k / quantisationBlock), k % quantisationBlock]
    for (let n = 0; n < outputs; n++) {
      const start = (n * blocks + block) * bytes
      // Adding 0 turns -0 into 0.
      data[k * outputs + n] = (levelAt(levels, start, within, bits) - half) * scales[n * blocks + block]! + 0
    }
  }
  return data
}

/**
 * Rounds rows as a product with a quantised matrix does before it multiplies: to 8 bits, with one scale for each block of a row.
 *
 * @param rows   [count, inputs]
 * @returns the same shape
 */
export function roundActivations(rows: Float32Array, inputs: number): Float32Array {
  const out = new Float32Array(rows.length)
  for (let row = 0; row < rows.length; row += inputs)
    for (let start = row; start < row + inputs; start += quantisationBlock) {
      const end = Math.min(start + quantisationBlock, row + inputs)
      let largest = 0
      for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(rows[i]!))
      const scale = Math.fround(largest / 127)
      if (scale > 0) for (let i = start; i < end; i++) out[i] = roundEven(rows[i]! / scale) * scale
    }
  return out
}

/** Rounds to the nearest integer, ties to even, like ONNX's Round. */
function roundEven(x: number): number {
  const rounded = Math.round(x)
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}
