import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SafetensorsFile, writeSafetensors } from '../../model/index.js'
import { scratch } from './tiny.js'
import { noise } from '../noise.js'

/** A file with a header of any kind and some bytes of data. */
async function file(header: unknown, data: Uint8Array = new Uint8Array(0), claimed?: bigint): Promise<string> {
  const path = join(scratch(), 'a.safetensors')
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(claimed ?? BigInt(json.length))
  await writeFile(path, Buffer.concat([length, json, data]))
  return path
}
const f32 = (start: number, end: number, shape: unknown = [(end - start) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
})

test.each([
  ['float32', 0],
  ['float16', 2 ** -11],
  ['bfloat16', 2 ** -8],
] as const)('what is written as %s is read again, rounded to that type', async (dtype, rounding) => {
  const random = noise(3)
  const values = Float32Array.from({ length: 12 }, random)
  const path = join(scratch(), 'a.safetensors')
  await writeSafetensors(
    path,
    [
      { name: 'one', shape: [3], values: () => values.subarray(0, 3) },
      { name: 'two', shape: [3, 3], values: async () => values.subarray(3) },
    ],
    dtype,
  )
  const found = await SafetensorsFile.open(path)
  expect([...found.tensors.values()].map(({ name, shape }) => [name, shape])).toEqual([
    ['one', [3]],
    ['two', [3, 3]],
  ])
  const read = [...(await found.read('one')), ...(await found.read('two'))]
  read.forEach((value, i) => expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(rounding * Math.abs(values[i]!)))
})

test('a tensor that does not fit float16 is refused by name, and no file is left', async () => {
  const folder = scratch()
  const sources = [{ name: 'large', shape: [2], values: () => Float32Array.of(1, 65520) }]
  await expect(writeSafetensors(join(folder, 'a'), sources, 'float16')).rejects.toMatchObject({
    kind: 'NonFinite',
    message: 'tensor large has values beyond 65,504, the largest of float16',
  })
  expect(await readdir(folder)).toEqual([])
  await writeSafetensors(join(folder, 'a'), sources, 'bfloat16')
  expect(existsSync(join(folder, 'a'))).toBe(true)
})

const bytes = (n: number) => new Uint8Array(n)
const bad: [string, () => Promise<string>, RegExp][] = [
  ['is missing', async () => join(scratch(), 'none'), /cannot be opened/],
  ['is a folder', async () => scratch(), /is a folder, not a file/],
  [
    'is empty',
    async () => {
      const path = join(scratch(), 'a')
      await writeFile(path, '')
      return path
    },
    /is empty/,
  ],
  [
    'claims a header larger than itself',
    () => file({}, bytes(0), 2n ** 62n),
    /header claims 4611686018427387904 bytes/,
  ],
  ['has a header that is not JSON', () => file('{"a": '), /not JSON/],
  ['has a header that is a list', () => file([]), /not a JSON object/],
  ['has an entry that is null', () => file({ a: null }), /tensor a has no type and shape/],
  [
    'has an unknown type',
    () => file({ a: { ...f32(0, 4), dtype: 'F6' } }, bytes(4)),
    /tensor a has the unknown type F6/,
  ],
  ['has a negative size', () => file({ a: f32(0, 4, [-1]) }, bytes(4)), /tensor a has no type and shape/],
  ['has offsets in words', () => file({ a: { ...f32(0, 4), data_offsets: ['0', '4'] } }, bytes(4)), /a has no offsets/],
  ['has offsets that do not fit the shape', () => file({ a: f32(0, 4, [2]) }, bytes(4)), /a F32 \[2\] needs 8 bytes/],
  ['is truncated', () => file({ a: f32(0, 4), b: f32(4, 12) }, bytes(9)), /is truncated: tensor b ends at byte/],
  ['has tensors that overlap', () => file({ a: f32(0, 8), b: f32(4, 12) }, bytes(12)), /tensors a and b overlap/],
  [
    'has a hole',
    () => file({ a: f32(0, 4), b: f32(8, 12) }, bytes(12)),
    /4 bytes that belong to no tensor before tensor b/,
  ],
  ['has more data than tensors', () => file({ a: f32(0, 4) }, bytes(6)), /2 bytes that belong to no tensor at its end/],
]
test.each(bad)('a file that %s is refused with its name and a remedy', async (_, make, message) => {
  const path = await make()
  const error: unknown = await SafetensorsFile.open(path).catch((e: unknown) => e)
  expect(error).toMatchObject({ kind: 'InvalidInput', file: path, remedy: 'Copy the file from its source again.' })
  expect((error as Error).message).toContain(path)
  expect((error as Error).message).toMatch(message)
})

test.each([
  ['NaN', NaN],
  ['infinity', -Infinity],
])('a tensor with %s is refused by name', async (_, value) => {
  const found = await SafetensorsFile.open(
    await file({ a: f32(0, 8) }, new Uint8Array(Float32Array.of(1, value).buffer)),
  )
  await expect(found.read('a')).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `${found.path}: tensor a holds NaN or infinity`,
  })
})

test('a tensor of whole numbers is no weight', async () => {
  const found = await SafetensorsFile.open(await file({ a: { ...f32(0, 8), dtype: 'I32' } }, bytes(8)))
  await expect(found.read('a')).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: expect.stringMatching(/tensor a has the type I32/) as string,
  })
})
