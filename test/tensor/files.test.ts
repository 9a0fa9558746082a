import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SafetensorsFile } from '../../model/index.js'
import { FloatFile } from '../../tensor/float-file.js'
import { readTensors, tensor, writeTensors } from '../../tensor/index.js'
import { Spool } from '../../tensor/spool.js'
import { scratch } from '../model/tiny.js'

test('tensors are read one by one as they are read together', async () => {
  const path = join(scratch(), 'tensors')
  // An odd number of bytes before the next tensor: its data is not aligned in the file.
  const all = { flag: tensor([1], [1], 'bool'), a: tensor([1, 2.5, -3], [3]), b: tensor([1, 2], [2, 1], 'int64') }
  await writeTensors(path, all, { curve: '[]' })
  const file = await SafetensorsFile.open(path)
  expect(await file.read('a')).toEqual((await readTensors(path)).tensors.a!.data)
  expect(file.tensors.has('a')).toBe(true)
  expect(file.tensors.has('toString')).toBe(false)
  await expect(file.read('c')).rejects.toThrow(`${path} has no tensor c`)
})

test('a file that was cut short since it was opened is not read', async () => {
  const path = join(scratch(), 'tensors')
  await writeTensors(path, { a: tensor([1, 2, 3], [3]) })
  const [file, numbers] = [await SafetensorsFile.open(path), await FloatFile.open(path, 'r')]
  const whole = Math.floor(await numbers.count())
  writeFileSync(path, readFileSync(path).subarray(0, -1))
  await expect(file.read('a')).rejects.toThrow('tensor a is truncated')
  await expect(numbers.read(0, whole)).rejects.toThrow('The file ends 1 bytes too early')
  await numbers.close()
})

test('a spool keeps in memory what fits, the rest in files, and gives everything back once', async () => {
  const folder = scratch()
  const spool = new Spool(folder, 12)
  const arrays = { a: Float32Array.of(1, 2), b: Float32Array.of(3, 4, 5), c: Float32Array.of(6) }
  for (const [name, data] of Object.entries(arrays)) await spool.put(name, data)
  expect(readdirSync(folder)).toEqual(['b'])
  expect(await spool.use('b', async (read, count) => [count, await read(1, 2)])).toEqual([3, Float32Array.of(4, 5)])
  expect(existsSync(join(folder, 'b'))).toBe(false)
  expect(await spool.take('a')).toEqual(arrays.a)
  await spool.put('d', arrays.a)
  expect(readdirSync(folder)).toEqual([])
  expect([await spool.take('c'), await spool.take('d')]).toEqual([arrays.c, arrays.a])
})
