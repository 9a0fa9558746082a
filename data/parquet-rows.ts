import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
} from 'hyparquet'
import { getTreePath } from 'hyparquet/src/schema.js'
import { Failure } from '../api/index.js'
import type { DataRecord } from './json-records.js'
import { codecs, largestUnpacked } from './parquet-codecs.js'
import { checkPages } from './parquet-pages.js'
import { checkThrift } from './parquet-thrift.js'

/** Values of all columns in a row group that may take no room at all, such as a million times the same word; */
const freeValues = 2 ** 24
/** of more, such as token ids, each byte may hold so many. */
const valuesPerByte = 64

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
  const { file, metadata, schema } = await openFile(path)
  const has = schema.children.map(({ element }) => element.name)
  const leaves = new Map(schema.children.flatMap((child) => leavesOf(child).map((leaf) => [leaf, child.element.name])))
  if (has.length === 0) throw failed('has no columns')
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
      const room = { bytes: largestUnpacked }
      for (const { meta_data: chunk } of group.columns)
        if (chunk && columns.includes(chunk.path_in_schema[0]!))
          await checkPages(file, chunk, getTreePath(schema, chunk.path_in_schema), room)
      rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors: codecs, parsers })
    } catch (error) {
      throw inGroup(reasonOf(error), broken)
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

async function openFile(path: string): Promise<{ file: AsyncBuffer; metadata: FileMetaData; schema: Schema }> {
  try {
    const file = await asyncBufferFromFile(path)
    await checkFooter(file)
    const metadata = await parquetMetadataAsync(file, { geoparquet: false })
    return { file, metadata, schema: parquetSchema(metadata) }
  } catch (error) {
    throw new Failure('InvalidInput', `${path}: is not a complete Parquet file: ${reasonOf(error)}`, {
      file: path,
      remedy: broken,
    })
  }
}

/** Checks the lists of the footer; the library checks the rest. */
async function checkFooter(file: AsyncBuffer): Promise<void> {
  const end = file.byteLength - 8
  if (end < 0) return
  const length = new DataView(await file.slice(end, end + 4)).getUint32(0, true)
  if (length <= end) checkThrift({ view: new DataView(await file.slice(end - length, end)), offset: 0 })
}

/** What the library says; of what it did not expect, that the file is damaged. */
const reasonOf = (error: unknown): string =>
  error instanceof TypeError || error instanceof RangeError ? 'it is damaged' : (error as Error).message

type Schema = ReturnType<typeof parquetSchema>

/** Paths of the leaves of a schema, which hold the values. */
const leavesOf = (schema: Schema): string[] =>
  schema.children.length === 0 ? [schema.path.join('.')] : schema.children.flatMap(leavesOf)

/** Checks a row group before memory is allocated for it: its size, and that it matches the schema. If it does not, the library
 *  leaves promises behind whose rejection nobody handles. */
function checkGroup(
  { columns: chunks, num_rows }: FileMetaData['row_groups'][number],
  columns: readonly string[],
  leaves: ReadonlyMap<string, string>,
  failed: (message: string, remedy: string) => Failure,
): void {
  const seen = new Set<string>()
  let [size, values] = [0, 0]
  for (const { meta_data: chunk } of chunks) {
    if (!chunk || !columns.includes(chunk.path_in_schema[0]!)) continue
    const path = chunk.path_in_schema.join('.')
    if (!leaves.has(path) || seen.has(path)) throw failed(`the column "${path}" does not match the schema`, broken)
    seen.add(path)
    if (!(chunk.num_values >= num_rows))
      throw failed(`the column "${path}" has ${chunk.num_values} values in ${num_rows} rows`, broken)
    values += Number(chunk.num_values)
    size += Number(chunk.total_uncompressed_size)
  }
  for (const [leaf, column] of leaves)
    if (columns.includes(column) && !seen.has(leaf)) throw failed(`the column "${leaf}" is missing`, broken)
  if (!(num_rows >= 0 && size >= 0)) throw failed('sizes below 0', broken)
  if (size > largestUnpacked)
    throw failed(
      `${size} bytes in one row group, more than ${largestUnpacked}`,
      'Write the file with smaller row groups.',
    )
  if (values > freeValues + valuesPerByte * size)
    throw failed(`${values} values in ${size} bytes`, 'Write the file with smaller row groups.')
}

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
