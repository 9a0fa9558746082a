import { expect, test } from 'vitest'
import { Forward, layerFacts, replaceBlocks, type Model } from '../../model/index.js'
import type { JsonObject, RunLayer } from '../../api/index.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { runVariants } from '../../puzzle/run-variants.js'
import { noise } from '../noise.js'
import { openTiny } from '../model/tiny.js'

const runs = makeRuns()
const both = async (model: Model, layer: number) => ({
  attention: await model.weights(layer, 'attention'),
  ffn: await model.weights(layer, 'ffn'),
})
const layersOf = ({ config }: Model, span: number): RunLayer[] =>
  Array.from({ length: span }, (_, i) => ({ facts: layerFacts(config, i), ...config.blocks[i]! }))

test.each([false, true])('the output of fused FFNs is the sum of their outputs for the same input (biases: %s)', async (bias) => {
  const model = await openTiny({ mlp_bias: bias })
  const { hidden, intermediate } = model.config
  const type = runs.get('fuse-ffn')
  const run = layersOf(model, 3)
  const blocks = type.blocks(run, { span: 3 })!
  expect(blocks.ffn).toEqual({ block: 'swiglu', params: { width: 3 * intermediate } })
  const made = type.initialise([await both(model, 0), await both(model, 1), await both(model, 2)], run, { span: 3 })

  const random = noise(3)
  const x = Float32Array.from({ length: 2 * 3 * hidden }, () => random())
  const forward = new Forward(2, 3)
  const outputs = [0, 1, 2].map((layer) => forward.slot(model, layer, 'ffn', x))
  const each = [await outputs[0]!, await outputs[1]!, await outputs[2]!]
  const fused = replaceBlocks(model, [{ layer: 0, slot: 'ffn', ...blocks.ffn!, weights: made.ffn! }])
  const y = await forward.slot(fused, 0, 'ffn', x)
  await forward.release()
  for (const [i, value] of y.entries())
    expect(value - x[i]!).toBeCloseTo(
      each.reduce((sum, output) => sum + output[i]! - x[i]!, 0),
      4,
    )
})

test('merging a layer with itself gives the same layer', async () => {
  const model = await openTiny()
  const weights = await both(model, 0)
  expect(runs.get('merge').initialise([weights, weights], layersOf(model, 2), { span: 2 })).toEqual(weights)
})

test('each run is offered wherever it fits, and its layers decide what it becomes', async () => {
  const model = await openTiny()
  const space: JsonObject = { runs: [{ run: 'drop', span: [1, 2] }, { run: 'merge' }, { run: 'fuse-ffn', span: 3 }] }
  const offered = runVariants(model, space, runs).map(({ id, layer, slots: { attention, ffn } }) => [
    `${layer} ${id}`,
    `${attention.variant}+${ffn.variant}`,
  ])
  expect(offered).toEqual([
    ['0 drop-1', 'no-op+no-op'],
    ['1 drop-1', 'no-op+no-op'],
    ['2 drop-1', 'no-op+no-op'],
    ['0 drop-2', 'no-op+no-op'],
    ['1 drop-2', 'no-op+no-op'],
    ['0 merge-2', 'parent+parent'],
    ['1 merge-2', 'parent+parent'],
    ['0 fuse-ffn-3', 'parent+swiglu-120'],
  ])
})

test('FFNs are only fused if all are swiglu, and layers are only merged if they are alike', async () => {
  const parent = await openTiny()
  const other = replaceBlocks(parent, [{ layer: 1, slot: 'ffn', block: 'no-op', params: {}, weights: {} }])
  expect(runVariants(other, { runs: [{ run: 'fuse-ffn', span: 2 }, { run: 'merge' }] }, runs)).toEqual([])
})

test('a run that is too long or too short for the model is rejected', async () => {
  const model = await openTiny()
  expect(() => runVariants(model, { runs: [{ run: 'fuse-ffn', span: 4 }] }, runs)).toThrow(
    'a run of 4 layers is impossible: the parent has 3',
  )
  expect(() => runVariants(model, { runs: [{ run: 'merge', span: 1 }] }, runs)).toThrow('a run of 1 layer is too short')
})
