/** Generates pseudo-random numbers in (-1, 1), the same on every machine. */
export function noise(count: number, seed: number): Float64Array {
  let state = (seed * 2654435761 + 1) >>> 0
  return Float64Array.from({ length: count }, () => {
    // Marsaglia 2003, Xorshift RNGs.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 31 - 1
  })
}

/** The largest difference relative to the largest expected number; Infinity if a number is not finite. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity
  let [worst, largest] = [0, 1e-6]
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!)
    if (!Number.isFinite(error)) return Infinity
    worst = Math.max(worst, error)
    largest = Math.max(largest, Math.abs(expected[i]!))
  }
  return worst / largest
}

/** Counts the numbers that differ bitwise between two arrays. */
export function differingBits(a: Float32Array, b: Float32Array): number {
  const bits = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length)
  if (a.length !== b.length) return Math.max(a.length, b.length)
  const other = bits(b)
  return bits(a).reduce((n, value, i) => n + (value === other[i] ? 0 : 1), 0)
}
