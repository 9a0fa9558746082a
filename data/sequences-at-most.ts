import { existsSync, statSync } from 'node:fs'
import { lookAt } from './data-file.js'

/**
 * Estimates from a file's size an upper bound on the number of its sequences. A JSON record has at least about 16 bytes, a row
 * of a table at least one, and a token of text at least one. Infinity for compressed files, whose size gives no bound.
 */
export function sequencesAtMost(path: string | undefined, length: number): number {
  if (path === undefined || !existsSync(path)) return 0
  const { kind, packed } = lookAt(path)
  if (kind === 'parquet' || packed) return Infinity
  const { size } = statSync(path)
  return Math.ceil(size / (kind === 'text' ? length : kind === 'json' ? 16 : 1))
}
