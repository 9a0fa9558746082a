import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
} from 'hyparquet'
import { compressors as library } from 'hyparquet-compressors'
import { Failure } from '../api/index.js'
import type { DataRecord } from './json-records.js'
import { checkPages } from './parquet-pages.js'

/** Largest unpacked size of the columns that are read in one row group, in bytes. They are held in memory. */
export const largestRowGroup = 2 ** 30

/** Largest number of values of a column in a row group, such as token ids. */
const mostValues = 2 ** 27

/**
 * Reads the rows of a Parquet file, one row group after another, with only some of its columns.
 * @param wanted   columns of which the file must have at least one. Undefined: all columns are read
 * @param beside   further columns to read if they exist
 * @param missing  creates the failure for a file with none of them, from the columns that it has
 * @throws Failure InvalidInput with the file and, if known, the row, counted from 1
 */
export async function* readParquetRows(
  path: string,
  wanted: readonly string[] | undefined,
  beside: readonly string[],
  missing: (bad: DataRecord['bad'], has: readonly string[]) => Failure,
): AsyncGenerator<DataRecord> {
  const failed = (message: string, remedy = broken) =>
    new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy })
  const { file, metadata } = await openFile(path)
  const { children } = parquetSchema(metadata)
  const has = children.map(({ element }) => element.name)
  const leaves = new Set(children.flatMap(leavesOf))
  if (wanted && !wanted.some((name) => has.includes(name))) throw missing(failed, has)
  const columns = wanted ? [...wanted, ...beside].filter((name) => has.includes(name)) : has

  let start = 0
  for (const group of metadata.row_groups) {
    const rowStart = start
    const rowEnd = (start += Number(group.num_rows))
    if (rowStart === rowEnd) continue
    const inGroup = (message: string, what: string) => failed(`rows ${rowStart + 1} to ${rowEnd}: ${message}`, what)
    checkGroup(group, columns, leaves, inGroup)
    let rows: Record<string, unknown>[]
    try {
      for (const { meta_data: chunk } of group.columns)
        if (chunk && columns.includes(chunk.path_in_schema[0]!)) await checkPages(file, chunk, largestRowGroup)
      rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors, parsers })
    } catch (error) {
      throw inGroup((error as Error).message, broken)
    }
    for (const [i, fields] of rows.entries()) {
      const bad = (message: string, remedy = 'Correct this row, or leave it out.') =>
        new Failure('InvalidInput', `${path}, row ${rowStart + i + 1}: ${message}`, { file: path, remedy })
      yield { fields: plain(fields) as DataRecord['fields'], bad }
    }
  }
}

const broken =
  'Fetch or write the file again; text must be UTF-8, compressed with snappy, gzip, zstd, brotli, lz4 or not at all.'

async function openFile(path: string): Promise<{ file: AsyncBuffer; metadata: FileMetaData }> {
  try {
    const file = await asyncBufferFromFile(path)
    return { file, metadata: await parquetMetadataAsync(file, { geoparquet: false }) }
  } catch (error) {
    throw new Failure('InvalidInput', `${path}: is not a whole Parquet file: ${(error as Error).message}`, {
      file: path,
      remedy: broken,
    })
  }
}

type Schema = ReturnType<typeof parquetSchema>

/** Paths of the leaves of a schema, which hold the values. */
const leavesOf = (schema: Schema): string[] =>
  schema.children.length === 0 ? [schema.path.join('.')] : schema.children.flatMap(leavesOf)

/** Checks a row group before memory is allocated for it: its size, and that it matches the schema. If it does not, the library
 *  leaves promises behind whose rejection nobody handles. */
function checkGroup(
  { columns: chunks, num_rows }: FileMetaData['row_groups'][number],
  columns: readonly string[],
  leaves: ReadonlySet<string>,
  failed: (message: string, remedy: string) => Failure,
): void {
  const seen = new Set<string>()
  let size = 0
  for (const { meta_data: chunk } of chunks) {
    if (!chunk || !columns.includes(chunk.path_in_schema[0]!)) continue
    const path = chunk.path_in_schema.join('.')
    if (!leaves.has(path) || seen.has(path)) throw failed(`the column "${path}" does not match the schema`, broken)
    seen.add(path)
    if (!(chunk.num_values >= num_rows && chunk.num_values <= mostValues))
      throw failed(`the column "${path}" has ${chunk.num_values} values in ${num_rows} rows`, broken)
    size += Number(chunk.total_uncompressed_size)
  }
  if (!(num_rows >= 0 && size >= 0)) throw failed('sizes below 0', broken)
  if (size > largestRowGroup)
    throw failed(
      `${size} bytes in one row group, more than ${largestRowGroup}`,
      'Write the file with smaller row groups.',
    )
}

/** Decompressors that also check the size that a page claims to have. */
const compressors = Object.fromEntries(
  Object.entries(library).map(([name, unpack]) => [
    name,
    (input: Uint8Array, length: number) => {
      if (!(length >= 0 && length <= largestRowGroup)) throw new Error(`a page of ${length} bytes`)
      return unpack(input, length)
    },
  ]),
)

const utf8 = new TextDecoder('utf-8', { fatal: true })
const parsers = {
  stringFromBytes(bytes: Uint8Array | undefined) {
    if (!bytes) return undefined
    try {
      return utf8.decode(bytes)
    } catch {
      throw new Error('a text is not UTF-8')
    }
  },
}

/** Converts values to those of JSON: 64-bit integers become numbers, and typed arrays lists. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array | BigInt64Array, plain)
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]))
}
