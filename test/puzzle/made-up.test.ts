import { expect, test } from 'vitest'
import { layersOf, madeUp, withoutBlocks, type LayerBlocks } from '../../puzzle/made-up.js'
import { openTiny } from '../model/tiny.js'

const small = await openTiny()

test('a made-up model has the blocks that it is told, and weights of their shapes', async () => {
  const blocks: LayerBlocks = {
    attention: small.config.blocks[0]!.attention,
    ffn: { block: 'swiglu', params: { width: 16 } },
  }
  const model = madeUp(small, layersOf(blocks, 5))
  expect(model.config.layers).toBe(5)
  const { up, norm } = await model.weights(3, 'ffn')
  expect([up!.shape, norm!.shape]).toEqual([[24, 16], [24]])
  expect(withoutBlocks(small).config.layers).toBe(0)
})

test('weights are as small as real ones: neither zero nor denormal, finite, and not all equal', async () => {
  const { up } = await madeUp(small, small.config.blocks).weights(0, 'ffn')
  const sizes = [...up!.data].map(Math.abs)
  expect(Math.min(...sizes)).toBeGreaterThan(1e-6)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(0.02)
  expect(new Set(sizes).size).toBeGreaterThan(100)
})

test('layers have weights of their own while these fit, and share them where they are larger than any cache', async () => {
  const own = madeUp(small, small.config.blocks)
  expect((await own.weights(0, 'ffn')).up!.data).not.toBe((await own.weights(1, 'ffn')).up!.data)
  // 3 x 4096 x 14336 floats are 672 MiB: one block, whatever the number of copies.
  const large = { ...small, config: { ...small.config, hidden: 4096 } }
  const ffn = { block: 'swiglu', params: { width: 14336 } }
  const wide = madeUp(large, layersOf({ attention: { block: 'no-op', params: {} }, ffn }, 8))
  const all = await Promise.all([0, 1, 7].map((layer) => wide.weights(layer, 'ffn')))
  expect(all.every(({ up }) => up!.data === all[0]!.up!.data)).toBe(true)
})
