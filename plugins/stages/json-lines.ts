import { readFileSync } from 'node:fs'
import { Failure } from '../api/index.js'

/** A record of a file of JSON lines. */
export interface JsonLine {
  /** Counted from 1. */
  readonly line: number
  /** An object; {} where the line is JSON of another kind. */
  readonly fields: { readonly [key: string]: unknown }
  /** A failure that names file and line. */
  readonly bad: (message: string) => Failure
}

/** The records of a file, empty lines left out.
 *  @param remedy  what a line should be
 *  @throws Failure InvalidInput for a line that is not JSON, and when the file cannot be read */
export function* readJsonLines(path: string, remedy: string): Generator<JsonLine> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure('InvalidInput', `${path}: ${(error as Error).message}`, { file: path, remedy })
  }
  for (const [i, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue
    const bad = (message: string) => new Failure('InvalidInput', `${path}:${i + 1}: ${message}`, { file: path, remedy })
    let value: unknown
    try {
      value = JSON.parse(content)
    } catch {
      throw bad('is not JSON')
    }
    const fields = typeof value === 'object' && value !== null ? (value as JsonLine['fields']) : {}
    yield { line: i + 1, fields, bad }
  }
}
