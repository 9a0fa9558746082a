import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  Decoder,
  embed,
  Forward,
  openModel,
  quantisationOf,
  replaceBlocks,
  rounded,
  slotBytes,
  writeModel,
  type Model,
} from '../../model/index.js'
import type { BlockType, JsonObject, Slot } from '../../api/index.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { sizes } from '../../puzzle/costs.js'
import { dequantise, quantise } from '../../tensor/index.js'
import { greedy } from '../stages/world.js'
import { difference, fullLogits, withVariant } from './mixed.js'
import { blocks, openTiny, scratch, someIds } from './tiny.js'

/** A kind of weights for every built-in block type that has some. */
const variants: readonly [Slot, string, JsonObject][] = [
  ['attention', 'grouped-query', { kvHeads: 2 }],
  ['attention', 'fewer-heads', { heads: 2, kvHeads: 1 }],
  ['attention', 'sliding-window', { window: 5, kvHeads: 2 }],
  ['attention', 'linear-attention', { features: 8, kvHeads: 2 }],
  ['attention', 'gated-linear-attention', { features: 8, kvHeads: 2 }],
  ['attention', 'latent-attention', { rank: 10, rotated: 4 }],
  ['attention', 'linear', {}],
  ['ffn', 'swiglu', { width: 40 }],
  ['ffn', 'low-rank', { rank: 7 }],
  ['ffn', 'linear', {}],
]
const cases = variants.flatMap((own) => (['int8', 'int4'] as const).map((kind) => [kind, ...own] as const))
const quantised = async (slot: Slot, block: string, params: JsonObject) =>
  withVariant(await openTiny(), 1, slot, block, params)

test('the cases are all block types that have weights', () => {
  const named = new Set(variants.map(([slot, block]) => `${slot}/${block}`))
  const all = builtInBlocks.filter(({ empty }) => !empty).map(({ slot, name }) => `${slot}/${name}`)
  expect([...named].sort()).toEqual(all.sort())
})

test.each(cases)(
  '%s weights of %s %s %j decode token by token as whole sequences',
  async (weights, slot, block, own) => {
    const model = await quantised(slot, block, { ...own, weights })
    expect(quantisationOf(model, 1, slot)!.names.size).toBeGreaterThan(0)
    const ids = someIds(12)
    const expected = await fullLogits(model, ids)
    const decoder = await Decoder.create(model, { batch: 1, logits: true })
    let { logits } = await decoder.prefill(ids.subarray(0, 5))
    for (let next = 5; ; next++) {
      // Activations are rounded: what differs in the last bits can fall on either side.
      expect(difference(logits!, expected[next - 1]!), `token ${next}`).toBeLessThan(0.02)
      if (next === ids.length) break
      logits = (await decoder.step(ids.subarray(next, next + 1))).logits
    }
    await decoder.release()
  },
)

test.each(cases)('%s weights of %s %s %j are near float32’s, but not they', async (weights, slot, block, own) => {
  const rows = async (params: JsonObject) => {
    const model = await quantised(slot, block, params)
    const forward = new Forward(1, 8)
    const x = embed(await model.embedding(), model.config, someIds(8))
    const y = await forward.slot(model, 1, slot, x)
    await forward.release()
    return y
  }
  const error = difference(await rows({ ...own, weights }), await rows(own))
  expect(error).toBeLessThan(weights === 'int8' ? 0.02 : 0.3)
  expect(error).toBeGreaterThan(1e-5)
})

test('matrices that a block uses otherwise than as right factors stay float32, vectors and norms too', async () => {
  const odd: BlockType = {
    ...blocks.get('ffn', 'linear'),
    name: 'odd',
    shapes: ({ hidden }) => ({ used: [hidden, hidden], turned: [hidden, hidden], scale: [hidden], idle: [hidden, 1] }),
    forward: (g, x, w) => ({ y: g.mul(g.gemm(g.gemm(x, w.used!), w.turned!, { transB: true }), w.scale!) }),
  }
  const model = await openTiny()
  const own: Model = { ...model, blocks: makeBlocks([...builtInBlocks, odd]) }
  const view = replaceBlocks(own, [{ layer: 0, slot: 'ffn', block: 'odd', params: { weights: 'int4' }, weights: {} }])
  expect([...quantisationOf(view, 0, 'ffn')!.names]).toEqual(['used'])
  const { hidden } = model.config
  // 24 inputs are one block of 32 half bytes, and a scale.
  expect(slotBytes(view, 0, 'ffn')).toBe(hidden * (16 + 4) + 4 * (hidden * hidden + hidden + hidden + hidden))
})

test('a matrix that is turned around only where there is a past stays float32', async () => {
  const odd: BlockType = {
    ...blocks.get('ffn', 'linear'),
    name: 'odd',
    shapes: ({ hidden }) => ({ weight: [hidden, hidden] }),
    state: ({ hidden }) => [{ name: 'last', kind: 'per-sequence', shape: [hidden] }],
    forward: (g, x, w, _, { past }) => ({
      y: g.gemm(x, w.weight!, { transB: past !== undefined }),
      state: { last: g.slice(x, 0, 0, 1) },
    }),
  }
  const own: Model = { ...(await openTiny()), blocks: makeBlocks([...builtInBlocks, odd]) }
  const view = replaceBlocks(own, [{ layer: 0, slot: 'ffn', block: 'odd', params: { weights: 'int8' }, weights: {} }])
  expect(quantisationOf(view, 0, 'ffn')!.names.size).toBe(0)
})

const allInt = async (weights: string): Promise<Model> => {
  const model = await openTiny()
  const slots = await Promise.all(
    model.config.blocks.flatMap((own, layer) =>
      (['attention', 'ffn'] as const).map(async (slot) => {
        const { block, params } = own[slot]
        return { layer, slot, block, params: { ...params, weights }, weights: await model.weights(layer, slot) }
      }),
    ),
  )
  const view = replaceBlocks(model, slots)
  return {
    ...view,
    weights: async (layer, slot) => rounded(await view.weights(layer, slot), quantisationOf(view, layer, slot)),
  }
}

test.each(['int8', 'int4'])('memory of a model with %s weights is what a decoder holds of them', async (kind) => {
  const model = await allInt(kind)
  const decoder = await Decoder.create(model, { batch: 1 })
  const without = sizes(model, { batch: 0, prefill: 1, generate: 1 })
  expect(without.memoryBytes).toBe(decoder.weightBytes)
  const float = sizes(await openTiny(), { batch: 0, prefill: 1, generate: 1 })
  expect(without.parameters).toBe(float.parameters)
  expect(without.memoryBytes).toBeLessThan(float.memoryBytes)
  await decoder.release()
})

test.each(['int8', 'int4'])('a decoder above the size of constants has its %s weights as constants', async (kind) => {
  const model = await allInt(kind)
  const said = async (largestConstant: number) => {
    const decoder = await Decoder.create(model, { batch: 1, logits: true, largestConstant })
    const { logits } = await decoder.prefill(someIds(5))
    await decoder.release()
    return logits!
  }
  expect(difference(await said(0), await said(2 ** 30))).toBeLessThan(1e-5)
})

/** The model written and opened again. */
async function reopened(model: Model, dtype: 'float16' | 'float32'): Promise<Model> {
  const folder = join(scratch(), 'child')
  await writeModel(model, folder, { dtype })
  return openModel(folder, blocks)
}

test.each(['int8', 'int4'])(
  'a model with %s weights opens again as it was, and decodes the same tokens',
  async (kind) => {
    const model = await allInt(kind)
    const opened = await reopened(model, 'float32')
    expect(opened.config.blocks).toEqual(model.config.blocks)
    for (const slot of ['attention', 'ffn'] as const)
      expect(await opened.weights(1, slot)).toEqual(await model.weights(1, slot))
    const prompts = [1, 2, 3].map((seed) => [...someIds(6, seed)])
    expect(await greedy(opened, prompts, 10)).toEqual(await greedy(model, prompts, 10))
  },
)

test.each(['int8', 'int4'])(
  'float16 keeps the integers of %s weights, and what opens lies on their grid',
  async (kind) => {
    const model = await allInt(kind)
    const opened = await reopened(model, 'float16')
    const bits = kind === 'int8' ? 8 : 4
    const before = await model.weights(2, 'ffn')
    for (const [name, { shape, data }] of Object.entries(await opened.weights(2, 'ffn'))) {
      if (name === 'norm') continue
      const integers = quantise(data, shape, bits)
      expect(integers.levels).toEqual(quantise(before[name]!.data, shape, bits).levels)
      expect(dequantise(integers)).toEqual(data)
    }
  },
)

test('a sequence is decoded the same whatever is decoded beside it', async () => {
  const model = await allInt('int8')
  const prompts = [1, 2, 3, 4].map((seed) => [...someIds(6, seed)])
  const together = await greedy(model, prompts, 8)
  for (const [i, prompt] of prompts.entries()) expect((await greedy(model, [prompt], 8))[0]).toEqual(together[i])
})

test('weights of a kind that there is not are refused by name and place', async () => {
  const folder = join(scratch(), 'child')
  await writeModel(await allInt('int8'), folder, { dtype: 'float32' })
  const file = join(folder, 'config.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"int8"', '"int3"'))
  await expect(openModel(folder, blocks)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `${file}: "puzzleflow.layers" has the weights "int3" at layer 0, attention`,
    remedy: 'Weights can be float32, int8, int4.',
  })
})
