import { existsSync, statSync } from 'node:fs'
import { lookAt } from './data-file.js'

/**
 * Sequences that a file can be packed into, from above, by its size alone: a document is a record of JSON of about 16 bytes or
 * more, a row of a table of one or more, or `length` tokens of text of a byte or more each. Infinity where the size does not
 * say: packed files.
 */
export function sequencesAtMost(path: string | undefined, length: number): number {
  if (path === undefined || !existsSync(path)) return 0
  const { kind, packed } = lookAt(path)
  if (kind === 'parquet' || packed) return Infinity
  const { size } = statSync(path)
  return Math.ceil(size / (kind === 'text' ? length : kind === 'json' ? 16 : 1))
}
