import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Decoder, type Model } from '../../model/index.js'
import { writeOnnx, type OnnxOptions } from '../../model/onnx/write.js'
import { difference, fullLogits, largest } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'
import { describedIn, Exported } from './exported.js'
import { openEvery, openSoftmax } from './models.js'

/** Logits of a model of nine layers, sums in another order. */
const tolerance = 1e-5

async function exported(model: Model, options: OnnxOptions = {}): Promise<{ graph: Exported; folder: string }> {
  const folder = join(scratch(), 'exported')
  await writeOnnx(model, folder, options)
  return { graph: await Exported.open(folder), folder }
}

const models: Record<string, () => Promise<Model>> = {
  'a Llama': () => openTiny(),
  'a Llama with biases whose head is the embedding': () =>
    openTiny({ attention_bias: true, mlp_bias: true, tie_word_embeddings: true }),
  'a Llama with scaled frequencies and cosines (YaRN)': () =>
    openTiny({ rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 } }),
  'a child with every block type': () => openEvery(),
  'a child with every block type and biases': () => openEvery({ attention_bias: true, mlp_bias: true }),
}

test.each(Object.entries(models))(
  'the exported graph of %s gives the logits of the whole sequence, in chunks of any length',
  async (_, open) => {
    const model = await open()
    const ids = someIds(230)
    const whole = await fullLogits(model, ids)
    const { graph } = await exported(model)
    // One token, more than a window, more than the recurrence computes at once, and steps between.
    for (const chunks of [[230], [1, 1, 1, 5, 1, 2], [7, 20, 1, 1, 193, 1, 1], [200, 1, 29]]) {
      graph.reset(1)
      let at = 0
      for (const length of chunks) {
        const [rows] = await graph.read([[...ids.slice(at, at + length)]])
        rows!.forEach((row, i) => {
          expect(difference(row, whole[at + i]!), `${chunks.join()}: token ${at + i}`).toBeLessThan(tolerance)
        })
        at += length
      }
    }
    await graph.release()
  },
)

test.each(Object.entries(models))(
  '20 prompts are continued by the graph of %s as our decoder does',
  async (_, open) => {
    const model = await open()
    const { graph } = await exported(model)
    const decoder = await Decoder.create(model, { batch: 1, logits: true })
    const texts = new Set<string>()
    for (let n = 0; n < 20; n++) {
      const prompt = [...someIds(3 + (n % 4), n + 1)]
      let own = await decoder.prefill(Int32Array.from(prompt))
      graph.reset(1)
      let row = (await graph.read([prompt]))[0]!.at(-1)!
      const found: number[] = []
      for (let t = 0; t < 12; t++) {
        expect(difference(row, own.logits!), `prompt ${n}, token ${t}`).toBeLessThan(tolerance)
        expect(largest(row)).toBe(own.best[0])
        found.push(largest(row))
        own = await decoder.step(Int32Array.of(found.at(-1)!))
        row = (await graph.read([[found.at(-1)!]]))[0]![0]!
      }
      texts.add(found.join())
    }
    expect(texts.size).toBeGreaterThan(10)
    await decoder.release()
    await graph.release()
  },
)

test('sequences of a batch do not see each other, and padding before them changes nothing', async () => {
  const model = await openSoftmax()
  const { graph, folder } = await exported(model)
  expect(describedIn(folder).leftPadding).toBe(true)
  const texts = [3, 9, 14].map((length, i) => [...someIds(length, i + 1)])
  const length = 14
  const padded = texts.map((ids) => [...Array<number>(length - ids.length).fill(0), ...ids])
  const mask = texts.map((ids) => [...Array<number>(length - ids.length).fill(0), ...ids.map(() => 1)])
  const next = texts.map((_, i) => [...someIds(8, i + 7)])

  for (const first of [length, 5]) {
    graph.reset(texts.length)
    // In one chunk, or in two of which the first is padding alone for a sequence.
    const rows = await graph.read(
      padded.map((ids) => ids.slice(0, first)),
      mask.map((row) => row.slice(0, first)),
    )
    const further =
      first < length
        ? await graph.read(
            padded.map((ids) => ids.slice(first)),
            mask.map((row) => row.slice(first)),
          )
        : []
    const steps = []
    for (let t = 0; t < 8; t++) steps.push(await graph.read(next.map((ids) => [ids[t]!])))
    for (const [i, ids] of texts.entries()) {
      const whole = await fullLogits(model, Int32Array.from([...ids, ...next[i]!]))
      const found = [...rows[i]!, ...(further[i] ?? []), ...steps.map((step) => step[i]![0]!)].slice(
        length - ids.length,
      )
      expect(found.length).toBe(whole.length)
      found.forEach((row, t) => expect(difference(row, whole[t]!), `text ${i}, token ${t}`).toBeLessThan(tolerance))
    }
  }
  await graph.release()
})

test('layers whose state takes padding for text are told', async () => {
  const { graph, folder } = await exported(await openEvery())
  expect(describedIn(folder)).toMatchObject({ leftPadding: false, layersBlindToPadding: [7, 8] })
  await graph.release()
})

test('sequences of one length decode side by side with every block type', async () => {
  const model = await openEvery()
  const { graph } = await exported(model)
  const texts = [1, 2, 3].map((seed) => [...someIds(30, seed)])
  graph.reset(texts.length)
  const rows = [
    await graph.read(texts.map((ids) => ids.slice(0, 11))),
    await graph.read(texts.map((ids) => ids.slice(11, 12))),
    await graph.read(texts.map((ids) => ids.slice(12))),
  ]
  for (const [i, ids] of texts.entries()) {
    const whole = await fullLogits(model, Int32Array.from(ids))
    rows
      .flatMap((chunk) => chunk[i]!)
      .forEach((row, t) => expect(difference(row, whole[t]!), `text ${i}, token ${t}`).toBeLessThan(tolerance))
  }
  await graph.release()
})

test('inputs and outputs are called as Optimum calls them, other states by their layer and name', async () => {
  const { graph, folder } = await exported(await openEvery())
  const { inputs, outputs } = graph.names
  expect(inputs).toEqual([
    'input_ids',
    'attention_mask',
    'past_key_values.0.key',
    'past_key_values.0.value',
    'past_state.1.k',
    'past_state.1.v',
    'past_state.2.latent',
    'past_key_values.3.key',
    'past_key_values.3.value',
    'past_key_values.6.key',
    'past_key_values.6.value',
    'past_state.7.sums',
    'past_state.8.sums',
  ])
  expect(outputs).toEqual([
    'logits',
    ...inputs.slice(2).map((name) => name.replace('past_key_values', 'present').replace('past_state', 'present_state')),
  ])
  const { states } = describedIn(folder)
  expect(states.map(({ input }) => input)).toEqual(inputs.slice(2))
  expect(states.find(({ input }) => input === 'past_state.1.k')).toEqual({
    layer: 1,
    input: 'past_state.1.k',
    output: 'present_state.1.k',
    kind: 'window',
    shape: ['batch_size', 2, 'past_window_5', 8],
    window: 5,
  })
  graph.reset(1)
  await graph.read([[...someIds(20)]])
  expect(graph.shapes['past_state.1.k']).toEqual([1, 2, 5, 8])
  expect(graph.shapes['past_key_values.0.key']).toEqual([1, 1, 20, 8])
  await graph.release()
})

test('weights stand in a file of their own when they are too large for the model, with the same result', async () => {
  const model = await openEvery()
  const ids = [...someIds(9)]
  const [within, beside] = [await exported(model), await exported(model, { largestInline: 1000 })]
  expect(describedIn(beside.folder).data).toBe('model.onnx.data')
  expect(describedIn(within.folder).data).toBeUndefined()
  expect(statSync(join(beside.folder, 'model.onnx')).size).toBeLessThan(
    statSync(join(within.folder, 'model.onnx')).size / 2,
  )
  const rows = []
  for (const { graph } of [within, beside]) {
    graph.reset(1)
    rows.push(await graph.read([ids]))
    await graph.release()
  }
  expect(rows[0]).toEqual(rows[1])
})

test('matrices are halved when asked for, and logits stay near', async () => {
  const model = await openTiny({ tie_word_embeddings: true })
  const ids = someIds(9)
  const { graph, folder } = await exported(model, { dtype: 'float16' })
  const whole = await fullLogits(model, ids)
  graph.reset(1)
  const [rows] = await graph.read([[...ids]])
  const errors = rows!.map((row, i) => difference(row, whole[i]!))
  expect(Math.max(...errors)).toBeLessThan(5e-3)
  expect(Math.max(...errors)).toBeGreaterThan(1e-6)
  const full = await exported(model)
  const size = (own: string) => statSync(join(own, 'model.onnx')).size
  // The graph is about 30 kB of both.
  expect(size(full.folder) - size(folder)).toBeGreaterThan(10_000)
  expect((JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { dtype: string }).dtype).toBe('float16')
  await graph.release()
  await full.graph.release()
})
