import type { Weight } from './block.js'

/** Matrices side by side: [rows, a], [rows, b], … to [rows, a + b + …]; vectors (biases) one after the other. */
export function joinColumns(parts: readonly Weight[]): Weight {
  const columns = parts.reduce((n, { shape }) => n + shape.at(-1)!, 0)
  const rows = parts[0]!.data.length / parts[0]!.shape.at(-1)!
  const data = new Float32Array(rows * columns)
  let from = 0
  for (const { shape, data: own } of parts) {
    const width = shape.at(-1)!
    for (let r = 0; r < rows; r++) data.set(own.subarray(r * width, (r + 1) * width), r * columns + from)
    from += width
  }
  return { shape: [...parts[0]!.shape.slice(0, -1), columns], data }
}
