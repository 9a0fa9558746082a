// Pages of figures that benchmarks write.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { format, resolveConfig } from 'prettier'

/** Writes a file as a whole: a reader, or a run that goes on, never sees half of it. */
export function writeWhole(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}

/** Writes Markdown, formatted as `npm run format` would. */
export const writePage = async (path, text) =>
  writeWhole(path, await format(text, { ...(await resolveConfig(path)), filepath: path }))
