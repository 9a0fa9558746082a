import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readParquetRows } from '../../data/parquet-rows.js'
import { temporaryFolder } from '../temporary-folder.js'
import { encodings, levels, parquetOf, plain, run, structure, varint, withFooter, zstd } from './write-parquet.js'

/** The texts of a file, or what is said of it. */
async function textsOf(bytes: Uint8Array): Promise<unknown[] | string> {
  const file = join(temporaryFolder(), 'a.parquet')
  writeFileSync(file, bytes)
  const texts: unknown[] = []
  try {
    for await (const { fields } of readParquetRows(
      file,
      ['text', 'input_ids'],
      [],
      () => new Error('no column') as never,
    ))
      texts.push(fields.text)
    return texts
  } catch (error) {
    return (error as Error).message.replace(`${file}: `, '')
  }
}

/** Integers that grow by the same step, as Parquet packs them (DELTA_BINARY_PACKED): blocks of 128 in 4 parts without bits. */
const steps = (count: number, first: number, step: number): number[] => [
  ...[...varint(128), ...varint(4), ...varint(count), ...varint(2 * first)],
  ...Array.from({ length: Math.ceil((count - 1) / 128) }, () => [2 * step, 0, 0, 0, 0]).flat(),
]

const texts = (count: number): string => 'abcd'.repeat(Math.ceil(count / 4)).slice(0, count)

/** Texts that share their beginnings: the n-th has n + 1 characters. */
const growing = (count: number) => [...steps(count, 0, 1), ...steps(count, 1, 0), ...Buffer.from(texts(count))]

/** A Zstandard frame without its size: blocks of one byte 131,071 times. */
const blocks = (count: number): number[] => [
  ...[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58],
  ...Array.from({ length: count }, (_, i) => [
    ((131071 << 3) | 2 | (i === count - 1 ? 1 : 0)) & 255,
    255,
    15,
    120,
  ]).flat(),
]

test('a file in which all is right is read', async () => {
  expect(await textsOf(parquetOf({ page: plain('one', 'two') }))).toEqual(['one', 'two'])
  const missing = [...levels([...run(1, 1), ...run(1, 0), ...run(1, 1)]), ...plain('one', 'three')]
  expect(await textsOf(parquetOf({ page: missing, optional: true, rows: 3 }))).toEqual(['one', null, 'three'])
  const shared = parquetOf({ page: growing(3), encoding: encodings.DELTA_BYTE_ARRAY, rows: 3 })
  expect(await textsOf(shared)).toEqual(['a', 'ab', 'abc'])
})

const billion = 2 ** 30 - 1
test.each<[string, Uint8Array, string]>([
  [
    'a run of a billion levels',
    parquetOf({ page: [...levels(run(billion, 1)), ...plain('one', 'two')], optional: true }),
    'rows 1 to 2: a run of 1073741823 values where 2 are left',
  ],
  [
    'a run of a billion entries of a dictionary',
    parquetOf({ page: [1, ...run(billion, 0)], encoding: encodings.RLE_DICTIONARY }),
    'rows 1 to 2: a run of 1073741823 values where 2 are left',
  ],
  [
    'packed bits without end',
    parquetOf({ page: [1, ...varint(2 ** 28 + 1), 0], encoding: encodings.RLE_DICTIONARY }),
    'rows 1 to 2: a run of 1073741824 values where 2 are left',
  ],
  [
    'more rows than its bytes can hold',
    parquetOf({ page: levels(run(2 ** 27, 0)), optional: true, rows: 2 ** 27 }),
    'rows 1 to 134217728: 134217728 values in 31 bytes',
  ],
  [
    'texts that each repeat the one before',
    parquetOf({ page: growing(20_000), encoding: encodings.DELTA_BYTE_ARRAY, rows: 20_000 }),
    'rows 1 to 20000: 200010000 characters of text in a page of 21584 bytes',
  ],
  [
    'a small page that unpacks to a large one',
    parquetOf({ page: blocks(1000), codec: zstd, unpacked: 1000 }),
    'rows 1 to 2: a page of more than 1000 bytes',
  ],
  [
    'a page that says it unpacks to 2 GB',
    parquetOf({ page: blocks(1), codec: zstd, unpacked: 2 ** 31 - 1 }),
    'rows 1 to 2: 2147483668 bytes in one row group, more than 1073741824',
  ],
  [
    'fewer columns than it says',
    parquetOf({ page: plain('one', 'two'), columns: 43 }),
    'is not a complete Parquet file: it is damaged',
  ],
  [
    'a footer with lists of 33 million items',
    withFooter([], [0x29, ...Array.from({ length: 12 }, () => [0xf9, ...varint(33e6)]).flat(), 0]),
    'is not a complete Parquet file: a header with a list that goes beyond it',
  ],
  [
    'a row group that lacks a column',
    parquetOf({ page: plain('one', 'two'), columns: 2, absent: 'input_ids' }),
    'rows 1 to 2: the column "input_ids" is missing',
  ],
  [
    'a footer nested a million deep',
    withFooter([], [...Array.from({ length: 1e6 }, () => 0x1c), ...structure({})]),
    'is not a complete Parquet file: a header that is nested too deeply',
  ],
])('a Parquet file with %s is refused', async (_, bytes, expected) => {
  expect(await textsOf(bytes)).toBe(expected)
})
