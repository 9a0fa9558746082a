import { expect, test } from 'vitest'
import type { Model } from '../../model/index.js'
import { timeBlock } from '../../puzzle/block-timing.js'
import { runtime } from '../../puzzle/costs.js'
import { empty } from '../../puzzle/made-up.js'
import { openTiny } from '../model/tiny.js'

const open = () => openTiny({ hidden_size: 128, intermediate_size: 1024 })
const scenario = { batch: 2, prefill: 16, generate: 4 }
const how = { copies: 4, repetitions: 5, precision: 1, threads: 1 }
const time = (own: Model, width: number) =>
  timeBlock(own, { slot: 'ffn', choice: { block: 'swiglu', params: { width } } }, scenario, how, { progress() {} })

// It is told by clocks: on a busy machine it may take more than one look.
const seldom = { retry: 4 }
test('a narrow block takes a small share of the parent’s time, in the same session', seldom, async () => {
  const { own, usual } = await time(await open(), 32)
  expect(runtime(own)).toBeGreaterThan(0)
  expect(runtime(own)).toBeLessThan(0.5 * runtime(usual))
})

test('the noise of the parent’s block is measured too', async () => {
  const { error, usualError } = await time(await open(), 32)
  expect(error).toBeGreaterThan(0)
  expect(usualError).toBeGreaterThan(0)
})

test('a parent that has nothing in a slot gives nothing to compare with: blocks take what they take', async () => {
  const model = await open()
  const without = model.config.ownBlocks.map((own) => ({ ...own, ffn: empty }))
  const config = { ...model.config, ownBlocks: without, blocks: without }
  const { own, usual } = await time({ ...model, config }, 512)
  expect(usual).toEqual({ prefillSeconds: 0, decodeSeconds: 0 })
  expect(runtime(own)).toBeGreaterThan(0)
})
