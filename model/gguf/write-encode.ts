import { Failure } from '../../api/index.js'
import { unreachable } from '../../errors/unreachable.js'
import { toBfloat16, toFloat16 } from '../../tensor/index.js'
import { tensorTypes, type TensorTypeName } from './types.js'

/** Types that tensors can be written in. */
export type WrittenType = Extract<TensorTypeName, 'F32' | 'F16' | 'BF16' | 'Q8_0'>

/** Size in bytes of this many values. */
export const bytesOf = (type: WrittenType, values: number): number =>
  (values / tensorTypes[type].values) * tensorTypes[type].bytes

/**
 * Encodes values as bytes of a file.
 * @param values  rows, row-major; the row length is a multiple of the type's block
 * @param name    the tensor's name, for messages
 * @throws Failure NonFinite for a value that does not fit the type
 */
export function encode(values: Float32Array, type: WrittenType, name: string): Uint8Array {
  // x * 0 is 0 unless x is NaN or infinite: summing is much faster than testing each value.
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0
  if (sum !== 0) throw new Failure('NonFinite', `tensor ${name} holds NaN or infinity`)
  switch (type) {
    case 'F32':
      return bytes(values)
    case 'BF16':
      return bytes(toBfloat16(values))
    case 'F16':
      return bytes(halvesOf(values, name))
    case 'Q8_0':
      return quantised(values, name)
    default:
      return unreachable(type)
  }
}

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

function halvesOf(values: Float32Array, name: string): Uint16Array {
  const halves = toFloat16(values)
  if (halves.some((half) => (half & 0x7fff) === 0x7c00))
    throw new Failure('NonFinite', `tensor ${name} has values beyond 65,504, the largest of float16`, {
      remedy: 'Write it as bfloat16 or float32.',
    })
  return halves
}

/** Quantises blocks of 32 values: a float16 scale (the largest magnitude divided by 127), and an int8 for each value.
 *  @source ggml's quantize_row_q8_0: https://github.com/ggml-org/ggml, src/ggml-quants.c */
function quantised(values: Float32Array, name: string): Uint8Array {
  const { values: size, bytes: length } = tensorTypes.Q8_0
  const blocks = values.length / size
  if (!Number.isInteger(blocks)) throw new Error(`Internal error: ${name} has ${values.length} values`)
  const out = new Uint8Array(blocks * length)
  const scales = new Float32Array(blocks)
  for (let b = 0; b < blocks; b++) {
    let largest = 0
    for (let i = b * size; i < (b + 1) * size; i++) largest = Math.max(largest, Math.abs(values[i]!))
    scales[b] = Math.fround(largest / 127)
    const inverse = scales[b] === 0 ? 0 : Math.fround(1 / scales[b]!)
    // Rounds halves away from zero, like C's roundf.
    for (let i = 0; i < size; i++) {
      const q = Math.fround(values[b * size + i]! * inverse)
      out[b * length + 2 + i] = Math.sign(q) * Math.floor(Math.abs(q) + 0.5)
    }
  }
  const halves = halvesOf(scales, name)
  for (let b = 0; b < blocks; b++) {
    out[b * length] = halves[b]! & 0xff
    out[b * length + 1] = halves[b]! >>> 8
  }
  return out
}
