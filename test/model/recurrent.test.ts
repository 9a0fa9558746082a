import { expect, test } from 'vitest'
import { Decoder, replaceBlocks, stateShapes, type Model } from '../../model/index.js'
import type { BlockType } from '../../api/index.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { difference, fullLogits } from './mixed.js'
import { openTiny, someIds } from './tiny.js'
import { noise } from '../noise.js'

/** A block type as a plugin may add it: a sum over the tokens so far that fades, with state of a fixed size. */
const fading: BlockType = {
  name: 'fading',
  slot: 'attention',
  version: 1,
  parameters: {},
  variants: () => [{}],
  id: () => 'fading',
  shapes: ({ hidden }) => ({ decay: [hidden], out: [hidden, hidden] }),
  initialise: () => {
    throw new Error('not used here')
  },
  forward(g, x, w, _params, { facts: { hidden }, batch, length, past }) {
    const steps = g.transpose(g.reshape(x, [batch, length, hidden]), [1, 0, 2])
    const { carried, outputs } = g.scan({
      carried: [past?.sum ?? g.zeros([batch, hidden])],
      sequences: [steps],
      body: ([sum], [own]) => {
        const next = g.add(g.mul(sum!, w.decay!), own!)
        return { carried: [next], outputs: [next] }
      },
    })
    const sums = g.reshape(g.transpose(outputs[0]!, [1, 0, 2]), [batch * length, hidden])
    return { y: g.gemm(sums, w.out!), state: { sum: carried[0]! } }
  },
  state: ({ hidden }) => [{ name: 'sum', kind: 'per-sequence', shape: [hidden] }],
}

async function openFading(): Promise<Model> {
  const model = await openTiny()
  const { hidden } = model.config
  const random = noise(5)
  const weights = {
    norm: { shape: [hidden], data: new Float32Array(hidden).fill(1) },
    decay: { shape: [hidden], data: Float32Array.from({ length: hidden }, (_, i) => 0.5 + i / 60) },
    out: { shape: [hidden, hidden], data: Float32Array.from({ length: hidden ** 2 }, () => random() / 8) },
  }
  const own = { ...model, blocks: makeBlocks([...builtInBlocks, fading]) }
  return replaceBlocks(own, [{ layer: 1, slot: 'attention', block: 'fading', params: {}, weights }])
}

test('a block type with state of a fixed size decodes beside one whose state grows', async () => {
  const model = await openFading()
  expect(stateShapes(model).map(({ name, shape }) => [name, shape.kind])).toEqual([
    ['0.attention.k', 'per-token'],
    ['0.attention.v', 'per-token'],
    ['1.attention.sum', 'per-sequence'],
    ['2.attention.k', 'per-token'],
    ['2.attention.v', 'per-token'],
  ])
  const rows = [someIds(40, 1), someIds(40, 2)]
  const whole = await Promise.all(rows.map((ids) => fullLogits(model, ids)))
  const decoder = await Decoder.create(model, { batch: 2, logits: true })
  const { vocabulary } = model.config
  const column = (from: number, to: number) => Int32Array.from(rows.flatMap((ids) => [...ids.subarray(from, to)]))
  for (const prompt of [1, 7]) {
    let { logits } = await decoder.prefill(column(0, prompt))
    for (let next = prompt; ; next++) {
      for (const [row, expected] of whole.entries()) {
        const own = logits!.subarray(row * vocabulary, (row + 1) * vocabulary)
        expect(difference(own, expected[next - 1]!), `token ${next}`).toBeLessThan(2e-6)
      }
      if (next === 40) break
      logits = (await decoder.step(column(next, next + 1))).logits
    }
  }
  await decoder.release()
})

test('a block type whose state is missing or of another shape is told so when the graph is built', async () => {
  const model = await openFading()
  const decoding = async (forward: BlockType['forward']) => {
    const own = { ...model, blocks: makeBlocks([...builtInBlocks, { ...fading, forward }]) }
    const decoder = await Decoder.create(own, { batch: 1 })
    await decoder.prefill(someIds(4, 1))
  }
  await expect(decoding((...all) => ({ y: fading.forward(...all).y }))).rejects.toMatchObject({
    kind: 'PluginBug',
    message: 'attention block type "fading" returns no state "sum"',
  })
  await expect(
    decoding((g, x, ...all) => ({ ...fading.forward(g, x, ...all), state: { sum: x } })),
  ).rejects.toMatchObject({
    message: 'attention block type "fading" returns state "sum" of shape [4, 24], not [1, 24]',
  })
})
