import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  Decoder,
  embed,
  endBytes,
  Forward,
  Head,
  openModel,
  OnnxModel,
  withHead,
  writeModel,
  writeOnnx,
  type Model,
} from '../../model/index.js'
import { dequantise, dequantiseRows, quantise, quantiseRows } from '../../tensor/index.js'
import { noise } from '../noise.js'
import { difference, fullLogits } from './mixed.js'
import { blocks, openTiny, scratch, someIds } from './tiny.js'

const kinds = ['int8', 'int4'] as const
const cases = kinds.flatMap((kind) => [true, false].map((tied) => [kind, tied] as const))
const open = (tied: boolean) => openTiny({ tie_word_embeddings: tied })

/** Logits of the decoder at the last of some tokens. */
async function decoded(model: Model, ids: Int32Array): Promise<Float32Array> {
  const decoder = await Decoder.create(model, { batch: 1, logits: true })
  await decoder.prefill(ids.subarray(0, ids.length - 1))
  const { logits } = await decoder.step(ids.subarray(ids.length - 1))
  await decoder.release()
  return logits!
}

test.for([8, 4] as const)('a matrix that lies as [out, in] is quantised to %i bits as its transpose is', (bits) => {
  const random = noise(7)
  const [outputs, inputs] = [5, 70]
  const rows = Float32Array.from({ length: outputs * inputs }, () => random())
  rows.fill(0, 0, 32)
  const columns = Float32Array.from(rows, (_, i) => rows[(i % outputs) * inputs + Math.floor(i / outputs)]!)
  const quantised = quantiseRows(rows, [outputs, inputs], bits)
  expect(quantised).toEqual(quantise(columns, [inputs, outputs], bits))
  const back = dequantise(quantised)
  const own = dequantiseRows(quantised)
  expect(own).toEqual(Float32Array.from(own, (_, i) => back[(i % inputs) * outputs + Math.floor(i / inputs)]!))
  // What is on the grid stays there.
  expect(dequantiseRows(quantiseRows(own, [outputs, inputs], bits))).toEqual(own)
})

test.each(cases)('a head in %s (tied: %s) predicts in evaluations what it predicts in decoding', async (kind, tied) => {
  const model = withHead(await open(tied), kind)
  const ids = someIds(9)
  const exact = (await fullLogits(model, ids)).at(-1)!
  const logits = await decoded(model, ids)
  // The kernel rounds activations to 8 bits, and so do evaluations: without that, they differ by more than a hundredth.
  expect(difference(logits, exact)).toBeLessThan(1e-3)
  expect(difference(logits, (await fullLogits(await open(tied), ids)).at(-1)!)).toBeGreaterThan(1e-3)
})

test.each(cases)('a head in %s (tied: %s) is the embedding only if it was before', async (kind, tied) => {
  const model = await open(tied)
  const child = withHead(model, kind)
  expect(await child.embedding()).toEqual(tied ? await child.head() : await model.embedding())
  expect(await child.head()).not.toEqual(await model.head())
  expect(await model.head()).toEqual(await (await open(tied)).head())
})

test.each(cases)('a head in %s (tied: %s) takes the bytes that are counted', async (kind, tied) => {
  const model = withHead(await open(tied), kind)
  const plain = await open(tied)
  const [own, before] = [await Decoder.create(model, { batch: 1 }), await Decoder.create(plain, { batch: 1 })]
  expect(own.weightBytes - before.weightBytes).toBe(endBytes(model.config, 4) - endBytes(plain.config, 4))
  await own.release()
  await before.release()
})

test.each(cases)('a child with a head in %s (tied: %s) is the same after it was written', async (kind, tied) => {
  const model = withHead(await open(tied), kind)
  const folder = join(scratch(), 'child')
  await writeModel(model, folder, { dtype: 'float32' })
  const again = await openModel(folder, blocks)
  expect(again.config.headWeights).toBe(kind)
  expect(again.config.tied).toBe(tied)
  expect(await again.head()).toEqual(await model.head())
  expect(await again.embedding()).toEqual(await model.embedding())
  const ids = someIds(7)
  expect(await decoded(again, ids)).toEqual(await decoded(model, ids))
})

test.each(cases)('an ONNX model has the head in %s (tied: %s), as integers or as floats', async (kind, tied) => {
  const model = withHead(await open(tied), kind)
  const ids = someIds(6)
  for (const integers of ['keep', 'floats'] as const) {
    const folder = join(scratch(), integers)
    await writeOnnx(model, folder, { integers })
    const onnx = await OnnxModel.open(folder)
    const decoder = onnx.decoder(1, true)
    const { logits } = await decoder.prefill(ids)
    await decoder.release()
    // Floats are not multiplied with rounded activations.
    expect(difference(logits!, (await fullLogits(model, ids)).at(-1)!)).toBeLessThan(integers === 'keep' ? 1e-3 : 0.03)
  }
})

test('a config.json with another type of the head is refused by the field', async () => {
  const folder = join(scratch(), 'child')
  await writeModel(withHead(await open(false), 'int8'), folder, { dtype: 'float32' })
  const file = join(folder, 'config.json')
  const config = JSON.parse(await readFile(file, 'utf8')) as { puzzleflow: object }
  await writeFile(file, JSON.stringify({ ...config, puzzleflow: { ...config.puzzleflow, head: { weights: 'int2' } } }))
  await expect(openModel(folder, blocks)).rejects.toThrow(/"puzzleflow\.head" has the weights "int2"/)
})

test('what a head loses grows as its bits become fewer, and nothing is lost with the parent’s', async () => {
  const model = await open(false)
  const ids = someIds(32)
  const forward = new Forward(1, ids.length)
  const x = await forward.layers(model, embed(await model.embedding(), model.config, ids), 0, model.config.layers)
  await forward.release()
  const mask = new Float32Array(ids.length).fill(1)
  const lost = await Promise.all(
    (['float32', ...kinds] as const).map(async (kind) => {
      const head = await Head.create(withHead(model, kind), 1, model)
      const { kl, tokens } = await head.compare(x, x, ids, mask, ids.length)
      await head.release()
      return kl / tokens
    }),
  )
  expect(lost[0]).toBeLessThan(1e-9)
  expect(lost[1]).toBeGreaterThan(1e-7)
  expect(lost[2]).toBeGreaterThan(5 * lost[1]!)
})
