import type { Weight } from '../../api/index.js'

/** Picks groups of `size` columns, such as heads: [rows, count * size] to [rows, kept * size]. A bias counts as one row. */
export function pickColumns({ shape, data }: Weight, kept: readonly number[], size = 1): Weight {
  const columns = shape.at(-1)!
  const rows = data.length / columns
  const picked = new Float32Array(rows * kept.length * size)
  for (let row = 0; row < rows; row++)
    kept.forEach((group, n) => {
      const [from, to] = [row * columns + group * size, (row * kept.length + n) * size]
      for (let i = 0; i < size; i++) picked[to + i] = data[from + i]!
    })
  return { shape: [...shape.slice(0, -1), kept.length * size], data: picked }
}

/** Picks groups of `size` rows: [count * size, columns] to [kept * size, columns]. */
export function pickRows({ shape, data }: Weight, kept: readonly number[], size = 1): Weight {
  const length = size * shape[1]!
  const picked = new Float32Array(kept.length * length)
  kept.forEach((group, n) => picked.set(data.subarray(group * length, (group + 1) * length), n * length))
  return { shape: [kept.length * size, shape[1]!], data: picked }
}
