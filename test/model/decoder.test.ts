import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Decoder, type Model } from '../../model/index.js'
import { difference, fullLogits, largest, openMixed } from './mixed.js'
import { openTiny, scratch, someIds } from './tiny.js'

/** Sums of 40 products in another order: a few units of the last place of float32. */
const tolerance = 2e-6

const models: Record<string, () => Promise<Model>> = {
  'a Llama': () => openTiny(),
  'a Llama with biases whose head is the embedding': () =>
    openTiny({ attention_bias: true, mlp_bias: true, tie_word_embeddings: true }),
  'a child with another block in every layer': () => openMixed(),
  'a child with biases': () => openMixed({ attention_bias: true, mlp_bias: true }),
}

/** Logits after the prompt and after every further token of one sequence. */
async function decode(decoder: Decoder, ids: Int32Array, prompt: number): Promise<Float32Array[]> {
  const rows = [(await decoder.prefill(ids.slice(0, prompt))).logits!]
  for (let i = prompt; i < ids.length; i++) rows.push((await decoder.step(ids.slice(i, i + 1))).logits!)
  return rows
}

test.each(Object.entries(models))(
  'decoding token by token with %s gives the logits of the whole sequence at every position',
  async (_, open) => {
    const model = await open()
    const ids = someIds(70)
    const whole = await fullLogits(model, ids)
    const decoder = await Decoder.create(model, { batch: 1, logits: true })
    // Buffers hold 32 slots at first: prompts that end before, at and behind their end, and then grow twice.
    for (const prompt of [1, 31, 32, 33]) {
      const found = await decode(decoder, ids, prompt)
      found.forEach((row, i) => {
        expect(difference(row, whole[prompt - 1 + i]!), `prompt ${prompt}, step ${i}`).toBeLessThan(tolerance)
      })
      expect(found.length).toBe(ids.length - prompt + 1)
    }
    await decoder.release()
  },
)

test.each(Object.entries(models))(
  'the greedy continuation by %s is that of computing everything anew for each token',
  async (_, open) => {
    const model = await open()
    const prompt = someIds(9, 3)
    const decoder = await Decoder.create(model, { batch: 1 })
    const found = [(await decoder.prefill(prompt)).best[0]!]
    while (found.length < 12) found.push((await decoder.step(Int32Array.of(found.at(-1)!))).best[0]!)
    await decoder.release()

    const ids = new Int32Array(prompt.length + found.length)
    ids.set([...prompt, ...found])
    const whole = await fullLogits(model, ids)
    expect(found).toEqual(found.map((_, i) => largest(whole[prompt.length - 1 + i]!)))
    expect(new Set(found).size).toBeGreaterThan(1)
  },
)

test('sequences of a batch do not see each other', async () => {
  const model = await openMixed()
  const [batch, prompt, steps] = [4, 6, 40]
  const rows = Array.from({ length: batch }, (_, row) => someIds(prompt + steps, row + 1))
  const together = await Decoder.create(model, { batch, logits: true })
  const alone = await Decoder.create(model, { batch: 1, logits: true })
  const column = (from: number, to: number) => Int32Array.from(rows.flatMap((ids) => [...ids.subarray(from, to)]))
  const found = [await together.prefill(column(0, prompt))]
  for (let i = prompt; i < prompt + steps; i++) found.push(await together.step(column(i, i + 1)))

  const { vocabulary } = model.config
  for (const [row, ids] of rows.entries()) {
    const expected = await decode(alone, ids, prompt)
    for (const [i, { logits, best }] of found.entries()) {
      const own = logits!.subarray(row * vocabulary, (row + 1) * vocabulary)
      expect(difference(own, expected[i]!)).toBeLessThan(tolerance)
      expect(best[row]).toBe(largest(expected[i]!))
    }
  }
  await together.release()
  await alone.release()
})

test('a new prompt forgets the sequence before it', async () => {
  const model = await openMixed()
  const decoder = await Decoder.create(model, { batch: 1, logits: true })
  const first = await decode(decoder, someIds(20), 5)
  await decode(decoder, someIds(80, 2), 50)
  expect(await decode(decoder, someIds(20), 5)).toEqual(first)
  await decoder.release()
})

test('logits come out only when they are asked for', async () => {
  const decoder = await Decoder.create(await openTiny(), { batch: 2 })
  expect(await decoder.prefill(someIds(6))).toEqual({ best: expect.any(Int32Array) as Int32Array })
  expect((await decoder.step(someIds(2))).logits).toBeUndefined()
  await decoder.release()
})

test('weights that are too large to be constants of the session are inputs, with the same result', async () => {
  const model = await openMixed()
  const ids = someIds(12)
  const rows: Float32Array[][] = []
  for (const largestConstant of [0, 1e6]) {
    const decoder = await Decoder.create(model, { batch: 1, logits: true, largestConstant })
    rows.push(await decode(decoder, ids, 5))
    await decoder.release()
  }
  for (const [i, row] of rows[0]!.entries()) expect(difference(row, rows[1]![i]!)).toBeLessThan(tolerance)
})

test('a profile of the steps and one of each length of prompt is written when it is asked for', async () => {
  const folder = scratch()
  const decoder = await Decoder.create(await openTiny(), { batch: 1, profile: join(folder, 'decoding') })
  await decode(decoder, someIds(6), 4)
  await decode(decoder, someIds(6), 5)
  await decoder.release()
  const names = readdirSync(folder).map((name) => name.replace(/_.*/, ''))
  expect(names.sort()).toEqual(['decoding-prefill-4', 'decoding-prefill-5', 'decoding-step'])
})
