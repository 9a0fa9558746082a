import { Failure } from '../api/index.js'
import { lookAt } from './data-file.js'
import { jsonProblem } from './json-check.js'
import { jsonTexts } from './json-texts.js'
import { readCharacters } from './text-files.js'

/** A record of a file: an object of JSON, or a row of a table. */
export interface DataRecord {
  readonly fields: { readonly [key: string]: unknown }
  /** The record as JSON writes it, where it comes from such a file. */
  readonly json?: string
  /** A failure that names file and place. */
  readonly bad: (message: string, remedy?: string) => Failure
}

/**
 * The records of a file of JSON: one a line, one after another over several lines, or in a list. One is held at a time.
 * @param remedy  what a record should be
 * @throws Failure InvalidInput with line and column for what is not JSON or not an object, and when the file cannot be read
 */
export async function* readJsonRecords(
  path: string,
  remedy: string,
  look = lookAt(path, remedy),
): AsyncGenerator<DataRecord> {
  const failed = (line: number, column: number) => (message: string, other: string) =>
    new Failure('InvalidInput', `${path}:${line}${column > 0 ? `:${column}` : ''}: ${message}`, {
      file: path,
      remedy: other,
    })
  for await (const { text, line, column, problem } of jsonTexts(readCharacters(path, look))) {
    const mistake = problem ?? jsonProblem(text)
    if (mistake) {
      const before = text.slice(0, mistake.at)
      const lines = before.split('\n').length - 1
      const at = lines === 0 ? column + mistake.at : mistake.at - before.lastIndexOf('\n')
      throw failed(line + lines, at)(mistake.message, remedyOf(mistake.message, remedy))
    }
    const value: unknown = JSON.parse(text)
    // What begins its line needs no column.
    const at = failed(line, column > 1 ? column : 0)
    const bad: DataRecord['bad'] = (message, other = remedy) => at(message, other)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw bad(`is ${kindName(value)}, not an object`)
    yield { fields: value as DataRecord['fields'], json: text, bad }
  }
}

function remedyOf(message: string, remedy: string): string {
  if (/^is not JSON: [-+]?(NaN|Infinity|nan|inf)$/.test(message))
    return 'Write null, or leave the field out: JSON has no such number (Python refuses it with json.dumps(…, allow_nan=False)).'
  if (/ twice$/.test(message)) return 'Remove one: it is not clear which one counts.'
  if (/unpaired surrogate|NUL/.test(message)) return 'Remove it: tokenizers do not agree on it.'
  return remedy
}

/** A value's kind for people: `a text`, `a number`. */
export function kindName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return { string: 'a text', number: 'a number', boolean: 'a truth value', object: 'an object' }[
    typeof value as string
  ]!
}
