import { Failure } from '../api/index.js'
import { readLines } from './text-files.js'

/** A record of a file: a line, or a row of a table. */
export interface DataRecord {
  /** An object; {} where the line is JSON of another kind. */
  readonly fields: { readonly [key: string]: unknown }
  /** The record as JSON writes it, where it comes from such a file. */
  readonly json?: string
  /** A failure that names file and place. */
  readonly bad: (message: string, remedy?: string) => Failure
}

/** The records of a file of JSON lines (.jsonl, or .gz of it), empty lines left out. One line is held at a time.
 *  @param remedy  what a line should be
 *  @throws Failure InvalidInput for a line that is not JSON, and when the file cannot be read */
export async function* readJsonLines(path: string, remedy: string): AsyncGenerator<DataRecord> {
  for await (const { line, text } of readLines(path, remedy)) {
    if (text.trim() === '') continue
    const bad = (message: string, other = remedy) =>
      new Failure('InvalidInput', `${path}:${line}: ${message}`, { file: path, remedy: other })
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw bad('is not JSON')
    }
    const fields = typeof value === 'object' && value !== null ? (value as DataRecord['fields']) : {}
    yield { fields, json: text, bad }
  }
}
