import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GgufFile } from '../../model/gguf/container.js'
import { dequantise } from '../../model/gguf/dequantise.js'
import { tensorTypes, type TensorTypeName } from '../../model/gguf/types.js'
import { Failure } from '../../api/index.js'
import { scratch } from '../model/tiny.js'
import {
  bool,
  f32,
  fileBytes,
  i32s,
  text,
  texts,
  u32,
  type FileOptions,
  type FileTensor,
  type Value,
} from './read-file.js'

const keys: readonly (readonly [string, Value])[] = [
  ['general.architecture', text('llama')],
  ['llama.block_count', u32(2)],
  ['llama.eps', f32(0.5)],
  ['flag', bool(true)],
  ['names', texts(['a', 'ü', ''])],
  ['numbers', i32s([1, -2, 3])],
]
const tensors: readonly FileTensor[] = [
  { name: 'first', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  { name: 'second', shape: [4], data: Float32Array.of(7, 8, 9, 10) },
]

/** A file with these bytes. */
function written(bytes: Uint8Array): string {
  const path = join(scratch(), 'model.gguf')
  writeFileSync(path, bytes)
  return path
}
const made = (options: FileOptions = {}, own = keys, data = tensors) => written(fileBytes(own, data, options))

/** What opening a file says is wrong, behind the file's name, and what to do. */
function refusal(path: string): string {
  try {
    GgufFile.open(path)
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    const { kind, message, file, remedy } = error as Failure
    expect(kind).toBe('InvalidInput')
    expect(file).toBe(path)
    expect(remedy).toBeTruthy()
    expect(message.startsWith(`${path}: `)).toBe(true)
    return message.slice(path.length + 2)
  }
  return 'nothing'
}

test('keys and tensors of a file are what was written', async () => {
  const file = GgufFile.open(made())
  expect(Object.fromEntries(file.keys)).toEqual({
    'general.architecture': 'llama',
    'llama.block_count': 2,
    'llama.eps': 0.5,
    flag: true,
    names: ['a', 'ü', ''],
    numbers: Int32Array.of(1, -2, 3),
  })
  expect([...file.tensors.values()].map(({ name, shape, type }) => ({ name, shape, type }))).toEqual([
    { name: 'first', shape: [2, 3], type: 'F32' },
    { name: 'second', shape: [4], type: 'F32' },
  ])
  expect(await file.read('first')).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
  expect(await file.read('second')).toEqual(Float32Array.of(7, 8, 9, 10))
})

test('version 2 and another alignment are read', async () => {
  const file = GgufFile.open(made({ version: 2, alignment: 64 }, [...keys, ['general.alignment', u32(64)]]))
  expect(await file.read('second')).toEqual(Float32Array.of(7, 8, 9, 10))
})

test('a file that ends anywhere before its end is refused, whatever is missing', () => {
  const bytes = fileBytes(keys, tensors)
  for (let length = 0; length < bytes.length; length++)
    expect(refusal(written(bytes.subarray(0, length))), `${length} bytes`).toMatch(/truncated|GGUF|is empty/)
})

test('the tensor that a truncated file lacks is named', () => {
  const bytes = fileBytes(keys, tensors)
  expect(refusal(written(bytes.subarray(0, bytes.length - 1)))).toBe(
    `is truncated: tensor second ends at byte ${bytes.length} of ${bytes.length - 1}`,
  )
})

test('what is not a GGUF file, or one of another version or byte order, is refused', () => {
  expect(refusal(written(Buffer.from('something else')))).toMatch(/^is not a GGUF file/)
  expect(refusal(made({ version: 1 }))).toBe('has the GGUF version 1')
  expect(refusal(made({ version: 4 }))).toBe('has the GGUF version 4')
  expect(refusal(made({ version: 0x03000000 }))).toMatch(/big-endian/)
  const nowhere = join(scratch(), 'none.gguf')
  expect(refusal(nowhere)).toMatch(/^cannot be opened/)
})

test('counts and lengths beyond the file are refused before memory is taken for them', () => {
  const huge = 2n ** 62n
  expect(refusal(made({ keyCount: huge }))).toMatch(/the number of keys claims 4611686018427387904/)
  expect(refusal(made({ tensorCount: huge }))).toMatch(/the number of tensors claims/)
  const bytes = fileBytes([['names', texts(['abc'])]])
  // The list's length, behind magic, version, counts, the key's name and two types; then the text's.
  const list = 4 + 4 + 16 + 8 + 5 + 8
  const damaged = (at: number) => {
    const copy = Buffer.from(bytes)
    copy.writeBigUInt64LE(huge, at)
    return written(copy)
  }
  expect(refusal(damaged(list))).toMatch(/the key names claims 4611686018427387904 entries/)
  expect(refusal(damaged(list + 8))).toMatch(/the key names claims/)
})

test('keys and tensors that are there twice are refused', () => {
  expect(refusal(made({}, [...keys, ['flag', bool(false)]]))).toBe('has the key flag twice')
  expect(refusal(made({}, keys, [tensors[0]!, { ...tensors[1]!, name: 'first' }]))).toBe('has the tensor first twice')
})

test('tensors must lie one behind the other', () => {
  expect(refusal(made({ shift: 32 }))).toBe('is damaged: tensor second begins at 64 of the data, not at 32')
  expect(refusal(made({ shift: -32 }))).toBe('is damaged: tensor second begins at 0 of the data, not at 32')
})

test('sizes and types of tensors that cannot be are refused', () => {
  const one = (own: Partial<FileTensor>) => made({}, keys, [{ ...tensors[0]!, ...own }])
  expect(refusal(one({ shape: [2, 0] }))).toMatch(/tensor first cannot have the sizes \[0, 2\]/)
  expect(refusal(one({ shape: [2 ** 40, 2 ** 40] }))).toMatch(/tensor first cannot have the sizes/)
  expect(refusal(one({ shape: [2, 33], type: 8 }))).toMatch(/cannot have the sizes \[33, 2\] as Q8_0/)
  expect(refusal(one({ shape: [1, 1, 1, 1, 1] }))).toMatch(/has 5 dimensions/)
  expect(refusal(one({ type: 99 }))).toMatch(/type number 99/)
  expect(refusal(made({}, [...keys, ['general.alignment', u32(24)]]))).toMatch(/general.alignment 24/)
})

test('a tensor of a type that is not read is named when it is read, with its type', async () => {
  const file = GgufFile.open(
    made({}, keys, [{ name: 'small', shape: [256], type: 10, bytes: new Uint8Array(84) }, tensors[1]!]),
  )
  await expect(file.read('small')).rejects.toThrow(/tensor small has the type Q2_K/)
  expect(await file.read('second')).toEqual(Float32Array.of(7, 8, 9, 10))
})

test('NaN in a tensor is refused by name', async () => {
  const file = GgufFile.open(made({}, keys, [{ ...tensors[0]!, data: Float32Array.of(1, 2, NaN, 4, 5, 6) }]))
  await expect(file.read('first')).rejects.toThrow(/tensor first holds NaN or infinity/)
})

// Random blocks and what the Python package `gguf` 0.19.0 (gguf.quants.dequantize) makes of them.
const blocks = JSON.parse(readFileSync(join(import.meta.dirname, 'read-blocks.json'), 'utf8')) as Record<
  TensorTypeName,
  { bytes: string; values: string }
>

test.each(Object.entries(blocks))('%s is dequantised as the gguf package does', (type, { bytes, values }) => {
  const own = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64'))
  const expected = new Float32Array(own(values).buffer)
  expect(expected.length).toBeGreaterThan(15)
  expect(dequantise(type as TensorTypeName, own(bytes))).toEqual(expected)
})

/** Where a block's float16 numbers are. */
const scales: Readonly<Partial<Record<TensorTypeName, readonly number[]>>> = {
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
}

test.each(Object.entries(scales))('infinity or NaN in a scale of %s is refused', async (name, places) => {
  const type = name as TensorTypeName
  const { values, bytes: size, number } = tensorTypes[type]
  const last = Uint8Array.from(Buffer.from(blocks[type].bytes, 'base64')).slice(0, size)
  for (const place of places)
    for (const high of [0x7c, 0x7e]) {
      const bytes = new Uint8Array(2 * size)
      bytes.set(last, size)
      bytes.set([0, high], size + place)
      const file = GgufFile.open(made({}, keys, [{ name: 'first', shape: [1, 2 * values], type: number, bytes }]))
      await expect(file.read('first')).rejects.toThrow(/tensor first holds NaN or infinity/)
    }
})
