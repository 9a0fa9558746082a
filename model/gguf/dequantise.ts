import { fromBfloat16, fromFloat16 } from '../../tensor/index.js'
import { tensorTypes, type TensorTypeName } from './types.js'

/** Writes the values of the block at byte `at` to `out`, from index `to` on. `half` reads a float16 at a byte. */
type Block = (bytes: Uint8Array, at: number, half: (at: number) => number, out: Float32Array, to: number) => void

/** Unpacks 16 bytes of 4-bit values: the low and high halves of byte i are values i and i + 16. */
const nibbles = (
  value: (low: number, i: number) => number,
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
) => {
  for (let i = 0; i < 16; i++) {
    out[to + i] = value(bytes[at + i]! & 15, i)
    out[to + i + 16] = value(bytes[at + i]! >> 4, i + 16)
  }
}

/** Bit i of the 32 bits at `at`, as the fifth bit of a value. */
const fifth = (bytes: Uint8Array, at: number, i: number): number => ((bytes[at + (i >> 3)]! >> (i & 7)) & 1) << 4

/** Scale and minimum of group j of eight, six bits each. The upper two bits of groups 4 to 7 are in the bytes of groups 0 to
 *  3. */
function scaleAndMinimum(bytes: Uint8Array, at: number, j: number): [scale: number, minimum: number] {
  if (j < 4) return [bytes[at + j]! & 63, bytes[at + j + 4]! & 63]
  const low = bytes[at + j + 4]!
  return [(low & 15) | ((bytes[at + j - 4]! >> 6) << 4), (low >> 4) | ((bytes[at + j]! >> 6) << 4)]
}

/** Unpacks 256 values in eight groups: scale * q - minimum. `high` returns the bits of a value above its lowest four. */
function grouped(
  bytes: Uint8Array,
  { scales, low, d, dmin }: { scales: number; low: number; d: number; dmin: number },
  out: Float32Array,
  to: number,
  high: (i: number, group: number) => number,
): void {
  for (let j = 0; j < 8; j++) {
    const [s, m] = scaleAndMinimum(bytes, scales, j)
    // Rounded as in ggml, which computes in float32.
    const [scale, minimum] = [Math.fround(d * s), Math.fround(dmin * m)]
    // Two groups share 32 bytes: the even group has the low halves.
    const [first, shift] = [low + (j >> 1) * 32, (j & 1) * 4]
    for (let i = 0; i < 32; i++) {
      const q = ((bytes[first + i]! >> shift) & 15) | high(i, j)
      out[to + j * 32 + i] = Math.fround(scale * q) - minimum
    }
  }
}

/** @source ggml's block layouts: https://github.com/ggml-org/ggml, src/ggml-common.h and ggml-quants.c */
const blocks: Readonly<Record<Exclude<TensorTypeName, 'F32' | 'F16' | 'BF16'>, Block>> = {
  // Float16 scale; 32 signed bytes.
  Q8_0(bytes, at, half, out, to) {
    const d = half(at)
    for (let i = 0; i < 32; i++) out[to + i] = d * ((bytes[at + 2 + i]! << 24) >> 24)
  },
  // Float16 scale; 16 bytes of two 4-bit values.
  Q4_0(bytes, at, half, out, to) {
    const d = half(at)
    nibbles((low) => d * (low - 8), bytes, at + 2, out, to)
  },
  // Float16 scale and minimum; 16 bytes of two 4-bit values.
  Q4_1(bytes, at, half, out, to) {
    const [d, m] = [half(at), half(at + 2)]
    nibbles((low) => Math.fround(d * low) + m, bytes, at + 4, out, to)
  },
  // Float16 scale; 32 fifth bits; 16 bytes of two 4-bit values.
  Q5_0(bytes, at, half, out, to) {
    const d = half(at)
    nibbles((low, i) => d * ((low | fifth(bytes, at + 2, i)) - 16), bytes, at + 6, out, to)
  },
  // Float16 scale and minimum; 32 fifth bits; 16 bytes of two 4-bit values.
  Q5_1(bytes, at, half, out, to) {
    const [d, m] = [half(at), half(at + 2)]
    nibbles((low, i) => Math.fround(d * (low | fifth(bytes, at + 4, i))) + m, bytes, at + 8, out, to)
  },
  // Float16 scales of the scales and of the minima; 12 bytes of scales and minima; 128 bytes of two 4-bit values.
  Q4_K(bytes, at, half, out, to) {
    grouped(bytes, { scales: at + 4, low: at + 16, d: half(at), dmin: half(at + 2) }, out, to, () => 0)
  },
  // Like Q4_K, with 32 bytes of fifth bits before the values: bit j of byte i belongs to value i of group j.
  Q5_K(bytes, at, half, out, to) {
    const layout = { scales: at + 4, low: at + 48, d: half(at), dmin: half(at + 2) }
    grouped(bytes, layout, out, to, (i, group) => ((bytes[at + 16 + i]! >> group) & 1) << 4)
  },
  // 128 bytes of low 4-bit halves; 64 bytes of upper 2-bit parts; 16 scales as signed bytes; a float16 scale of the scales.
  Q6_K(bytes, at, half, out, to) {
    const d = half(at + 208)
    for (let part = 0; part < 2; part++)
      for (let quarter = 0; quarter < 4; quarter++)
        for (let i = 0; i < 32; i++) {
          const low = bytes[at + part * 64 + (quarter & 1) * 32 + i]! >> (quarter >> 1 ? 4 : 0)
          const high = (bytes[at + 128 + part * 32 + i]! >> (quarter * 2)) & 3
          const scale = (bytes[at + 192 + part * 8 + quarter * 2 + (i >> 4)]! << 24) >> 24
          out[to + part * 128 + quarter * 32 + i] = Math.fround(d * scale) * (((low & 15) | (high << 4)) - 32)
        }
  },
}

/** Dequantises a tensor of a GGUF file to float32.
 *  @param bytes  whole blocks, from the start of an ArrayBuffer */
export function dequantise(type: TensorTypeName, bytes: Uint8Array): Float32Array {
  if (type === 'F32') return new Float32Array(bytes.buffer)
  if (type === 'F16') return fromFloat16(new Uint16Array(bytes.buffer))
  if (type === 'BF16') return fromBfloat16(new Uint16Array(bytes.buffer))
  const { values, bytes: size } = tensorTypes[type]
  const block = blocks[type]
  const half = (at: number) => halves[bytes[at]! | (bytes[at + 1]! << 8)]!
  const out = new Float32Array((bytes.length / size) * values)
  for (let at = 0, to = 0; at < bytes.length; at += size, to += values) block(bytes, at, half, out, to)
  return out
}

/** The values of all float16 numbers, by their bits. */
const halves = fromFloat16(Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits))
