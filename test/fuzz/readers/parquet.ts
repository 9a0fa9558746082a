import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { readParquetRows } from '../../../data/parquet-rows.js'
import type { Failure } from '../../../errors/failure.js'
import { packageRoot } from '../../../store/paths.js'
import { encodings, levels, parquetOf, plain, run, uint32, varint } from '../../data/write-parquet.js'
import type { Choices } from '../choices.js'
import { mutateBytes } from '../mutate-bytes.js'
import { holds, type Files, type Reader } from '../reader.js'

const written = [
  ...['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'].map((name) => `text-${name}`),
  ...['groups', 'ids-int64', 'messages', 'content', 'null'],
].map((name) => readFileSync(join(packageRoot(), 'test/data/parquet', `${name}.parquet`)))

/** Where the footer begins: most of what a reader trusts is in it. */
const footerOf = (file: Buffer): number => file.length - 8 - file.readUInt32LE(file.length - 8)

/** A file with changes in its footer or in the headers of its pages, whose ends are as a reader wants them. */
function changed(file: Buffer, c: Choices): Buffer {
  if (c.chance(0.2)) return mutateBytes(file, c)
  const at = footerOf(file)
  if (c.chance(0.5)) {
    const footer = mutateBytes(file.subarray(at, -8), c)
    return Buffer.concat([file.subarray(0, at), footer, Buffer.from(uint32(footer.length)), Buffer.from('PAR1')])
  }
  // Pages keep their size: the offsets in the footer stay right.
  const pages = mutateBytes(file.subarray(4, at), c)
  const same = Buffer.alloc(at - 4)
  pages.copy(same)
  return Buffer.concat([file.subarray(0, 4), same, file.subarray(at)])
}

/** The numbers of codecs in a Parquet file. */
const codec = { none: 0, snappy: 1, gzip: 2, brotli: 4, zstd: 6, lz4Raw: 7 }

/** Zstandard frames: raw blocks, blocks of one byte again and again, and headers that claim what they like. */
function zstandard(page: readonly number[], c: Choices): number[] {
  const frame = (head: readonly number[], blocks: readonly (readonly number[])[]) => [
    0x28,
    0xb5,
    0x2f,
    0xfd,
    ...head,
    ...blocks.flat(),
  ]
  const block = (type: number, size: number, data: readonly number[], isLast: boolean) => {
    const header = (size << 3) | (type << 1) | Number(isLast)
    return [header & 255, (header >> 8) & 255, (header >> 16) & 255, ...data]
  }
  const raw = block(0, page.length, page, true)
  return c.of<() => number[]>([
    () => frame([0, 0x58], [raw]),
    () => frame([0x20, page.length & 255], [raw]),
    () => frame([c.below(256), c.below(256)], [raw]),
    () =>
      frame(
        [0, 0x58],
        Array.from({ length: 1 + c.size(300) }, (_, i) => block(1, 131_071, [120], i === 300)),
      ),
    () => frame([0, 0x58], [block(2, page.length, page, true)]),
    () => [...frame([0, 0x58], [raw]), ...frame([0, 0x58], [raw])],
  ])()
}

/** Snappy: the length, then one literal, or copies of what is before. */
const snappy = (page: readonly number[], c: Choices): number[] =>
  c.chance(0.5)
    ? [
        ...varint(page.length),
        ...(page.length < 61 && page.length > 0 ? [(page.length - 1) << 2] : [0xf0, page.length - 1]),
        ...page,
      ]
    : [...varint(c.size(1e8)), 0, 97, ...Array.from({ length: c.size(200) }, () => [0xfe, 1, 0]).flat()]

/** A page of texts: as it should be, with levels, in other encodings, or of a run of any length. */
function page(c: Choices): { readonly page: readonly number[]; readonly optional: boolean; readonly encoding: number } {
  const texts = Array.from({ length: c.below(4) }, () => c.of(['', 'one', 'zwei é', 'x'.repeat(c.size(5000))]))
  const length = c.of([1, 2, 2, 3, 2 ** 20, 2 ** 30 - 1])
  return c.of<() => ReturnType<typeof page>>([
    () => ({ page: plain(...texts), optional: false, encoding: encodings.PLAIN }),
    () => ({
      page: [...levels(run(length, c.below(3))), ...plain(...texts)],
      optional: true,
      encoding: encodings.PLAIN,
    }),
    () => ({
      page: [...levels([c.below(256), c.below(256)]), ...plain(...texts)],
      optional: true,
      encoding: encodings.PLAIN,
    }),
    () => ({
      page: [
        ...varint(c.of([128, 0, 1, 2 ** 31])),
        ...varint(c.of([4, 0, 3])),
        ...varint(c.of([2, 1, 1e6])),
        ...c.bytes(40),
      ],
      optional: false,
      encoding: c.of([5, 6, encodings.DELTA_BYTE_ARRAY]),
    }),
    () => ({
      page: [c.below(33), ...run(length, 0), ...c.bytes(4)],
      optional: false,
      encoding: c.of([2, encodings.RLE_DICTIONARY]),
    }),
    () => ({ page: [...c.bytes(c.size(100))], optional: c.chance(0.5), encoding: c.below(10) }),
  ])()
}

/** A file of one page whose sizes fit together, unless they are changed on purpose. */
function made(c: Choices): Buffer {
  const { page: bytes, ...rest } = page(c)
  const packed = c.of<() => readonly [number, readonly number[]]>([
    () => [codec.none, bytes],
    () => [codec.gzip, [...gzipSync(Buffer.from([...bytes]))]],
    () => [codec.gzip, [...gzipSync(Buffer.alloc(c.size(3_000_000)))]],
    () => [codec.brotli, [...brotliCompressSync(Buffer.from([...bytes]))]],
    () => [codec.zstd, zstandard(bytes, c)],
    () => [codec.snappy, snappy(bytes, c)],
    () => [codec.lz4Raw, [...c.bytes(c.size(300))]],
  ])()
  const unpacked = c.chance(0.7) ? bytes.length : c.of([0, 1, bytes.length * 2, 2 ** 20, 2 ** 26, 2 ** 30, 2 ** 31 - 1])
  const file = parquetOf({
    ...rest,
    page: packed[1],
    codec: packed[0],
    unpacked,
    rows: c.of([0, 1, 2, 2, 3, 1e6, 2 ** 31 - 1]),
  })
  return c.chance(0.1) ? changed(file, c) : file
}

/** Parquet files, those of other writers and our own. */
export const parquetReader = (files: Files): Reader => ({
  name: 'Parquet',
  make(c) {
    const bytes = c.chance(0.5) ? changed(c.of(written), c) : made(c)
    const { path } = files.write('a.parquet', bytes)
    const columns = c.of([['text', 'input_ids', 'messages', 'content'], undefined])
    const none = (bad: (message: string) => Failure) => bad('has none of the columns')
    return {
      bytes: bytes.length,
      async read() {
        let names: string | undefined
        for await (const { fields } of readParquetRows(path, columns, [], none)) {
          names ??= Object.keys(fields).join()
          holds(Object.keys(fields).join() === names, 'the columns of each row')
          holds(isPlain(fields), 'values that JSON has')
        }
      },
    }
  },
})

/** Whether a value consists of what JSON has, or what Parquet adds to it: dates, and numbers that are none. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'object' && value !== null && !(value instanceof Date))
    return Object.values(value).every(isPlain)
  return !['function', 'symbol', 'bigint'].includes(typeof value)
}
