import type { AsyncBuffer, ColumnMetaData, SchemaTree } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { decompressPage } from 'hyparquet/src/datapage.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js'
import { codecs, largestUnpacked } from './parquet-codecs.js'
import { checkThrift } from './parquet-thrift.js'
import { PageWalk } from './parquet-values.js'

/**
 * Checks the pages of a column chunk: their headers, and the levels and runs in them. The library trusts them all: wrong sizes in a
 * damaged file would make it loop forever or allocate without limit. Pages are unpacked twice for it.
 * @param path  of the column in the schema, from the root
 * @param room  bytes that its pages may unpack to, with those of other columns: `bytes` is reduced
 * @throws Error with the reason
 */
export async function checkPages(
  file: AsyncBuffer,
  chunk: ColumnMetaData,
  path: readonly SchemaTree[],
  room: { bytes: number },
): Promise<void> {
  const data = Number(chunk.data_page_offset)
  const dictionary = Number(chunk.dictionary_page_offset ?? 0)
  const start = dictionary > 0 ? dictionary : data
  const size = Number(chunk.total_compressed_size)
  if (!(start >= 4 && start <= data && size >= 0 && start + size <= file.byteLength))
    throw new Error('a column lies outside of the file')
  const reader = { view: new DataView(await file.slice(start, start + size)), offset: 0 }
  let left = Number(chunk.num_values)
  while (reader.offset < size) {
    checkThrift(reader)
    const header = parquetHeader(reader)
    const { type, compressed_page_size: packed, uncompressed_page_size: unpacked } = header
    if (!(packed >= 0 && packed <= size - reader.offset)) throw new Error('a page lies outside of its column')
    if (!(unpacked >= 0 && unpacked <= largestUnpacked && (room.bytes -= unpacked) >= 0))
      throw new Error(`pages of more than ${largestUnpacked} bytes`)
    const values = (header.dictionary_page_header ?? header.data_page_header ?? header.data_page_header_v2)?.num_values
    if (!(values !== undefined && values >= 0)) throw new Error('a page without its number of values')
    if (type !== 'DICTIONARY_PAGE' && (left -= values) < 0) throw new Error('pages of more values than the column has')
    checkPage(new Uint8Array(reader.view.buffer, reader.view.byteOffset + reader.offset, packed), header, chunk, path)
    reader.offset += packed
  }
}

function checkPage(
  packed: Uint8Array,
  { type, uncompressed_page_size: size, ...heads }: ReturnType<typeof parquetHeader>,
  chunk: ColumnMetaData,
  path: readonly SchemaTree[],
): void {
  const unpack = (bytes: Uint8Array, length: number) => decompressPage(bytes, length, chunk.codec, codecs)
  const { repetition, definition } = highestLevels(path)
  const width = path.at(-1)!.element.type_length
  if (type === 'DICTIONARY_PAGE') {
    const head = heads.dictionary_page_header
    if (!head) throw new Error('a page without its header')
    new PageWalk(unpack(packed, size)).values('PLAIN', chunk.type, head.num_values, width, false)
  } else if (type === 'DATA_PAGE') {
    const head = heads.data_page_header
    if (!head) throw new Error('a page without its header')
    const walk = new PageWalk(unpack(packed, size))
    if (path.length > 1 && repetition > 0) walk.levels(head.num_values, repetition)
    const present = definition > 0 ? walk.levels(head.num_values, definition) : head.num_values
    walk.values(head.encoding, chunk.type, present, width, false)
  } else if (type === 'DATA_PAGE_V2') {
    const head = heads.data_page_header_v2
    if (!head) throw new Error('a page without its header')
    const { num_values: values, num_nulls: nulls, num_rows: rows } = head
    const [r, d] = [head.repetition_levels_byte_length, head.definition_levels_byte_length]
    if (!(d >= 0 && r >= 0 && d + r <= packed.length && d + r <= size && nulls >= 0 && nulls <= values && rows >= 0))
      throw new Error('a page whose levels lie outside of it')
    const levels = new PageWalk(packed.subarray(0, r + d))
    if (repetition > 0) levels.levelsOf(r, values, repetition)
    else levels.skip(r)
    if (definition > 0) levels.levelsOf(d, values, definition)
    const rest = packed.subarray(r + d)
    const bytes = head.is_compressed !== false ? unpack(rest, size - r - d) : rest
    new PageWalk(bytes).values(head.encoding, chunk.type, values - nulls, width, true)
  } else throw new Error('a page of an unknown type')
}

/** Largest levels of a column. Some 8 bits hold them: nobody nests lists deeper. */
function highestLevels(path: readonly SchemaTree[]): { repetition: number; definition: number } {
  const [repetition, definition] = [getMaxRepetitionLevel([...path]), getMaxDefinitionLevel([...path])]
  if (definition > 255 || repetition > 255) throw new Error('a column that is nested too deeply')
  return { repetition, definition }
}
