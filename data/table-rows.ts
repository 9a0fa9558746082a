import { CsvError, parse, type CsvErrorCode } from 'csv-parse'
import { pipeline, Readable } from 'node:stream'
import { Failure } from '../api/index.js'
import { plainName, type FileLook } from './data-file.js'
import type { DataRecord } from './json-records.js'
import { longestLine, readCharacters } from './text-files.js'

/** A row, with the library's information on it. */
interface Parsed {
  readonly record: readonly string[]
  readonly info: { readonly lines: number }
}

/**
 * Reads the rows of a file of comma- or tab-separated values (RFC 4180), whose first row names the columns. Memory holds one
 * row at a time.
 * @throws Failure InvalidInput with the line of a row with a wrong number of cells, or of an unclosed quote
 */
export async function* readTableRows(path: string, remedy: string, look: FileLook): AsyncGenerator<DataRecord> {
  const failed = (line: number, message: string, other: string) =>
    new Failure('InvalidInput', `${path}:${line}: ${message}`, { file: path, remedy: other })
  const delimiter = delimiterOf(path, look.start)
  const quoting = `Put texts with ${JSON.stringify(delimiter)}, quotes or line breaks in double quotes, and double the quotes inside.`
  const parser = parse({
    delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: longestLine,
  })
  // The loop below throws the errors. The pipeline requires a callback nevertheless.
  const rows = pipeline(Readable.from(readCharacters(path, look)), parser, () => {})
  let names: readonly string[] | undefined
  let last = 0
  try {
    for await (const row of rows) {
      const { record, info } = row as Parsed
      last = info.lines
      // The library counts the line where a row ends; the row may contain line breaks in quotes.
      const line = info.lines - record.reduce((n, cell) => n + cell.split('\n').length - 1, 0)
      if (names === undefined) {
        names = record.map((name) => name.trim())
        const twice = names.find((name, i) => names!.indexOf(name) !== i)
        if (twice !== undefined) throw failed(line, `names the column "${twice}" twice`, 'Rename one.')
        continue
      }
      if (record.length !== names.length)
        throw failed(
          line,
          `has ${record.length} ${record.length === 1 ? 'cell' : 'cells'}, but the first row names ${names.length} columns`,
          quoting,
        )
      const bad: DataRecord['bad'] = (message, other = remedy) => failed(line, message, other)
      yield { fields: Object.fromEntries(names.map((name, i) => [name, record[i]])), bad }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const said: Readonly<Partial<Record<CsvErrorCode, string>>> = {
      CSV_QUOTE_NOT_CLOSED: 'an unclosed quote',
      CSV_MAX_RECORD_SIZE: `a row of more than ${longestLine} characters: is there an unclosed quote?`,
    }
    throw failed(last + 1, `is not CSV: ${said[error.code] ?? error.message}`, quoting)
  }
}

/** A tab if the name says so; otherwise a comma, unless the first line has none, but another delimiter of spreadsheets. */
function delimiterOf(path: string, start: string): string {
  if (/\.(tsv|tab)$/.test(plainName(path))) return '\t'
  const first = start.split('\n', 1)[0]!
  return first.includes(',') ? ',' : ([';', '\t'].find((own) => first.includes(own)) ?? ',')
}
