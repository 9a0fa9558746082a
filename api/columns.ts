import type { Weight } from './block.js'

/**
 * Concatenates matrices along their columns: [rows, a], [rows, b], … become [rows, a + b + …]. Vectors (biases) count as one row.
 *
 * @param parts  at least one; all with the same number of rows
 */
export function joinColumns(parts: readonly Weight[]): Weight {
  const columns = parts.reduce((n, { shape }) => n + shape.at(-1)!, 0)
  const rows = parts[0]!.data.length / parts[0]!.shape.at(-1)!
  const data = new Float32Array(rows * columns)
  let offset = 0
  for (const { shape, data: part } of parts) {
    const width = shape.at(-1)!
    for (let r = 0; r < rows; r++) data.set(part.subarray(r * width, (r + 1) * width), r * columns + offset)
    offset += width
  }
  return { shape: [...parts[0]!.shape.slice(0, -1), columns], data }
}
