import { Failure } from '../api/index.js'
import { lookAt } from './data-file.js'
import { jsonProblem } from './json-check.js'
import { jsonTexts } from './json-texts.js'
import { readCharacters } from './text-files.js'

/** A record of a file: a JSON object, or a row of a table. */
export interface DataRecord {
  readonly fields: { readonly [key: string]: unknown }
  /** The record's JSON text, if it comes from a JSON file. */
  readonly json?: string
  /** Creates a failure that names the file and the record's place. */
  readonly bad: (message: string, remedy?: string) => Failure
}

/**
 * Reads the records of a JSON file: one per line, a sequence over several lines, or a list. Memory holds one at a time.
 * @param remedy  describes a correct record
 * @throws Failure InvalidInput with line and column if a record is not JSON or not an object, or if the file cannot be read
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
    // A record at the beginning of its line needs no column.
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

/** Names the kind of a value in messages: `a text`, `a number`. */
export function kindName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return { string: 'a text', number: 'a number', boolean: 'a boolean', object: 'an object' }[typeof value as string]!
}
