/**
 * What a chunk's tokens see of one another: each itself and at most `window` before it.
 * @returns `seen` there and `hidden` elsewhere, [length, length]
 */
export function band(length: number, seen: number, hidden: number, window = Infinity): Float32Array {
  const mask = new Float32Array(length * length).fill(hidden)
  for (let i = 0; i < length; i++) mask.fill(seen, i * length + Math.max(0, i - window), i * length + i + 1)
  return mask
}
