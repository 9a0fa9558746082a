import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, writeGguf, type GgufOptions, type Model } from '../../model/index.js'
import { difference, flat, fullLogits } from '../model/mixed.js'
import { blocks, openTiny, scratch, someIds } from '../model/tiny.js'
import { fixtures, openPuzzle, root } from './models.js'

async function written(model: Model, options: GgufOptions = {}): Promise<string> {
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path, options)
  return path
}

/** Largest difference of logits, relative to the largest. */
async function betweenModels(a: Model, b: Model): Promise<number> {
  const ids = someIds(30)
  return difference(flat(await fullLogits(b, ids)), flat(await fullLogits(a, ids)))
}

test.skipIf(fixtures.length > 0)('SKIPPED: the reference checkpoints are not beside this checkout', () => {})

test.each(fixtures)('%s, written and read again, gives the same logits bit by bit', async (name) => {
  // Granite's factors are multiplied into weights.
  const tolerance = name === 'granite' ? 2e-6 : 0
  const model = await openModel(join(root, name), blocks)
  expect(await betweenModels(model, await openModel(await written(model), blocks))).toBeLessThanOrEqual(tolerance)
})

test('a child that mixes all kinds of blocks, written and read again, is the same model', async () => {
  const model = await openPuzzle()
  expect(await betweenModels(model, await openModel(await written(model), blocks))).toBeLessThan(1e-6)
})

test('a model that was read from GGUF is written as the same file', async () => {
  const first = await written(await openTiny())
  const again = await written(await openModel(first, blocks))
  const data = (path: string) => readFileSync(path).subarray(-1000)
  expect(data(again).equals(data(first))).toBe(true)
})

test('a model whose tokenizer is of a kind that is not read can be written with token ids', async () => {
  const path = await written(await openTiny())
  const bytes = readFileSync(path)
  bytes.write('bert', bytes.indexOf('gpt2'))
  writeFileSync(path, bytes)
  const model = await openModel(path, blocks)
  await expect(written(model)).rejects.toThrow(/the kind "bert"/)
  const again = await openModel(await written(model, { tokenizer: 'ids' }), blocks)
  expect(await betweenModels(model, again)).toBe(0)
})
