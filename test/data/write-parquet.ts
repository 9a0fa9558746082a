/** A value of Thrift's compact protocol: a number of 32 bits, one of 64, a text, a list or a structure by its fields' numbers. */
type Thrift = { i32: number } | { i64: number } | { text: string } | { list: readonly Thrift[] } | { fields: Fields }
type Fields = Readonly<Record<number, Thrift | undefined>>

export const varint = (value: number): number[] => {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left]
    bytes.push((left % 128) | 128)
  }
}
const zigzag = (value: number): number[] => varint(value >= 0 ? 2 * value : -2 * value - 1)

const typeOf = (value: Thrift): number =>
  'i32' in value ? 5 : 'i64' in value ? 6 : 'text' in value ? 8 : 'list' in value ? 9 : 12

function bytesOf(value: Thrift): number[] {
  if ('i32' in value) return zigzag(value.i32)
  if ('i64' in value) return zigzag(value.i64)
  if ('text' in value) return [...varint(Buffer.byteLength(value.text)), ...Buffer.from(value.text)]
  if ('list' in value) {
    const type = value.list[0] ? typeOf(value.list[0]) : 12
    return [0xf0 | type, ...varint(value.list.length), ...value.list.flatMap(bytesOf)]
  }
  return structure(value.fields)
}

export function structure(fields: Fields): number[] {
  const bytes: number[] = []
  let before = 0
  for (const [key, value] of Object.entries(fields)) {
    if (!value) continue
    bytes.push(((Number(key) - before) << 4) | typeOf(value), ...bytesOf(value))
    before = Number(key)
  }
  return [...bytes, 0]
}

const [i32, i64] = [(i32: number) => ({ i32 }), (i64: number) => ({ i64 })]

/** Numbers of the format. */
export const encodings = { PLAIN: 0, DELTA_BYTE_ARRAY: 7, RLE_DICTIONARY: 8 }
export const zstd = 6

export interface ColumnOfTexts {
  /** The page as it lies in the file. */
  readonly page: readonly number[]
  readonly encoding?: number
  /** @default not compressed */
  readonly codec?: number
  /** Bytes of the page before it was compressed. @default its bytes */
  readonly unpacked?: number
  /** @default 2 */
  readonly rows?: number
  /** Whether texts may be missing: the page then begins with levels. @default false */
  readonly optional?: boolean
  /** Columns that the schema says it has. @default 1 */
  readonly columns?: number
  /** Name of a further column of the schema, without values in the row group. */
  readonly absent?: string
}

/** A Parquet file of one column, `text`, in one page. */
export function parquetOf(column: ColumnOfTexts): Buffer {
  const { page, encoding = encodings.PLAIN, codec = 0, unpacked = page.length, rows = 2, optional = false } = column
  const head = structure({
    1: i32(0),
    2: i32(unpacked),
    3: i32(page.length),
    5: { fields: { 1: i32(rows), 2: i32(encoding), 3: i32(3), 4: i32(3) } },
  })
  const size = head.length + page.length
  const meta: Fields = {
    1: i32(6),
    2: { list: [i32(encoding)] },
    3: { list: [{ text: 'text' }] },
    4: i32(codec),
    5: i64(rows),
    6: i64(head.length + unpacked),
    7: i64(size),
    9: i64(4),
  }
  const footer = structure({
    1: i32(2),
    2: {
      list: [
        { fields: { 4: { text: 'schema' }, 5: i32(column.columns ?? 1) } },
        { fields: { 1: i32(6), 3: i32(optional ? 1 : 0), 4: { text: 'text' }, 6: i32(0) } },
        ...(column.absent === undefined
          ? []
          : [{ fields: { 1: i32(6), 3: i32(1), 4: { text: column.absent }, 6: i32(0) } }]),
      ],
    },
    3: i64(rows),
    4: {
      list: [{ fields: { 1: { list: [{ fields: { 2: i64(4), 3: { fields: meta } } }] }, 2: i64(size), 3: i64(rows) } }],
    },
  })
  return withFooter([...head, ...page], footer)
}

export function withFooter(pages: readonly number[], footer: readonly number[]): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([
    Buffer.from('PAR1'),
    Buffer.from([...pages]),
    Buffer.from([...footer]),
    length,
    Buffer.from('PAR1'),
  ])
}

/** Texts as they stand in a page: each with its length before it. */
export const plain = (...texts: readonly string[]): number[] =>
  texts.flatMap((text) => [...uint32(Buffer.byteLength(text)), ...Buffer.from(text)])

export const uint32 = (value: number): number[] => [0, 8, 16, 24].map((bits) => (value >>> bits) & 255)

/** A run of one value of at most 8 bits. */
export const run = (count: number, value: number): number[] => [...varint(2 * count), value]

/** Levels with their length before them. */
export const levels = (bytes: readonly number[]): number[] => [...uint32(bytes.length), ...bytes]
