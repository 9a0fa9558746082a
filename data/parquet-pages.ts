import type { AsyncBuffer, ColumnMetaData } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'

/**
 * Checks the headers of a column chunk's pages. The library trusts them: wrong sizes in a damaged file would make it loop
 * forever or allocate without limit.
 * @param most  largest size of an unpacked page, in bytes
 * @throws Error with the reason
 */
export async function checkPages(file: AsyncBuffer, chunk: ColumnMetaData, most: number): Promise<void> {
  const data = Number(chunk.data_page_offset)
  const dictionary = Number(chunk.dictionary_page_offset ?? 0)
  const start = dictionary > 0 && dictionary < data ? dictionary : data
  const size = Number(chunk.total_compressed_size)
  if (!(start >= 4 && size >= 0 && start + size <= file.byteLength))
    throw new Error('a column lies outside of the file')
  const reader = { view: new DataView(await file.slice(start, start + size)), offset: 0 }
  let left = Number(chunk.num_values)
  while (reader.offset < size) {
    const { type, compressed_page_size: packed, uncompressed_page_size: unpacked, ...head } = parquetHeader(reader)
    if (!(packed >= 0 && packed <= size - reader.offset)) throw new Error('a page lies outside of its column')
    if (!(unpacked >= 0 && unpacked <= most)) throw new Error(`a page of ${unpacked} bytes`)
    const v2 = head.data_page_header_v2
    const values = (head.dictionary_page_header ?? head.data_page_header ?? v2)?.num_values
    if (!(values !== undefined && values >= 0)) throw new Error('a page without its number of values')
    if (v2) {
      const { num_nulls, num_rows, definition_levels_byte_length: d, repetition_levels_byte_length: r } = v2
      if (!(d >= 0 && r >= 0 && d + r <= packed && d + r <= unpacked && num_nulls >= 0 && num_rows >= 0))
        throw new Error('a page whose levels lie outside of it')
    }
    // An entry of a dictionary takes at least one bit, which is enough for a boolean.
    if (type === 'DICTIONARY_PAGE' ? values > 8 * unpacked : (left -= values) < 0)
      throw new Error('pages of more values than the column has')
    reader.offset += packed
  }
}
