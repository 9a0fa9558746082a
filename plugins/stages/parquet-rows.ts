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
import type { DataRecord } from './json-lines.js'

/** Most bytes of a row group, unpacked, in the columns that are read: they are held whole. */
export const largestRowGroup = 2 ** 30

/**
 * Rows of a Parquet file in the columns of `wanted` that it has, row group after row group.
 * @param remedy  what a row should be
 * @throws Failure InvalidInput with the file, and the row where it is known, counted from 1
 */
export async function* readParquetRows(
  path: string,
  wanted: readonly string[],
  remedy: string,
): AsyncGenerator<DataRecord> {
  const failed = (message: string, what = remedy) =>
    new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy: what })
  const { file, metadata } = await openFile(path)
  const has = parquetSchema(metadata).children.map(({ element }) => element.name)
  const columns = wanted.filter((name) => has.includes(name))
  if (columns.length === 0)
    throw failed(
      `has no column ${wanted.map((name) => `"${name}"`).join(' or ')}`,
      `It has ${has.map((name) => `"${name}"`).join(', ')}: name one by \`column\` beside \`path\`. ${remedy}`,
    )

  let start = 0
  for (const group of metadata.row_groups) {
    const rowStart = start
    const rowEnd = (start += Number(group.num_rows))
    checkSize(group, columns, (message) =>
      failed(`rows ${rowStart + 1} to ${rowEnd}: ${message}`, 'Write the file with smaller row groups.'),
    )
    let rows: Record<string, unknown>[]
    try {
      rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors, parsers })
    } catch (error) {
      throw failed(`rows ${rowStart + 1} to ${rowEnd} cannot be read: ${(error as Error).message}`, broken)
    }
    for (const [i, fields] of rows.entries()) {
      const bad = (message: string, what = remedy) =>
        new Failure('InvalidInput', `${path}, row ${rowStart + i + 1}: ${message}`, { file: path, remedy: what })
      yield { fields: plain(fields) as DataRecord['fields'], bad }
    }
  }
}

const broken =
  'Fetch or write the file again; texts are UTF-8, packed with snappy, gzip, zstd, brotli, lz4 or not at all.'

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

/** What is read of a row group is known before anything is allocated for it. */
function checkSize(
  group: FileMetaData['row_groups'][number],
  columns: readonly string[],
  failed: (message: string) => Failure,
): void {
  let size = 0
  for (const { meta_data: column } of group.columns)
    if (column && columns.includes(column.path_in_schema[0]!)) size += Number(column.total_uncompressed_size)
  if (!(size <= largestRowGroup)) throw failed(`${size} bytes in one row group, more than ${largestRowGroup}`)
}

/** What a page says of its own size is checked too. */
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

/** Values as JSON has them: whole numbers of 64 bits become numbers, typed arrays lists. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain)
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]))
}
