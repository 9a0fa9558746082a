import type { Tensor } from './types.js'

/** A matrix as sessions take it. */
export const matrix = (data: Float32Array, rows: number, columns: number): Tensor => ({
  dtype: 'float32',
  dims: [rows, columns],
  data,
})

/** Rows start..start+rows-1 of a matrix, with zeros behind the last. */
export function padded(x: Float32Array, start: number, rows: number, width: number): Float32Array {
  const data = x.subarray(start * width, (start + rows) * width)
  if (data.length === rows * width) return data
  const full = new Float32Array(rows * width)
  full.set(data)
  return full
}

/** Arrays one behind the other. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((n, { length }) => n + length, 0))
  let start = 0
  for (const part of parts) {
    all.set(part, start)
    start += part.length
  }
  return all
}
