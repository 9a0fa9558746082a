/** Conversions between float32 and the 16-bit types. They round to nearest, ties to even; a Uint16Array holds the bits. */

const floats = new Float32Array(1)
const bits = new Uint32Array(floats.buffer)

function halfOf(value: number): number {
  floats[0] = value
  const x = bits[0]!
  const sign = (x >>> 16) & 0x8000
  const magnitude = x & 0x7fffffff
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Below 2^-14, float16 numbers are multiples of 2^-24; adding 0.5 lets the float32 adder do the rounding.
    floats[0] = Math.abs(value) + 0.5
    return sign | (bits[0]! - 0x3f000000)
  }
  return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13)
}

let halves: Float32Array | undefined

/** The value of every float16, indexed by its bits. */
function table(): Float32Array {
  if (halves) return halves
  halves = new Float32Array(65536)
  for (let h = 0; h < 65536; h++) {
    const exponent = (h >>> 10) & 31
    const fraction = h & 1023
    const size =
      exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : exponent === 0
          ? fraction * 2 ** -24
          : (1 + fraction / 1024) * 2 ** (exponent - 15)
    halves[h] = h & 0x8000 ? -size : size
  }
  return halves
}

/** Converts float32 to float16. Numbers that round to more than 65,504 become infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) out[i] = halfOf(values[i]!)
  return out
}

/** Converts float16 to float32, exactly. */
export function fromFloat16(values: Uint16Array): Float32Array {
  const out = new Float32Array(values.length)
  const values32 = table()
  for (let i = 0; i < values.length; i++) out[i] = values32[values[i]!]!
  return out
}

/** Converts float32 to bfloat16. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < source.length; i++) {
    const x = source[i]!
    out[i] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16
  }
  return out
}

/** Converts bfloat16 to float32, exactly. */
export function fromBfloat16(values: Uint16Array): Float32Array {
  const out = new Uint32Array(values.length)
  for (let i = 0; i < values.length; i++) out[i] = values[i]! << 16
  return new Float32Array(out.buffer)
}
