import { copyFileSync, mkdirSync } from 'node:fs'
import type { Space } from '../../puzzle/inputs.js'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { layerFacts, openModel, replaceBlocks, writeModel, type Model, type Replacement } from '../../model/index.js'
import type { Slot } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { lessons, type DistillParams } from '../../puzzle/curriculum.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import type { Result } from '../../report/markdown.js'
import { blocks } from '../model/tiny.js'
import { Search } from './run-stage.js'
import { brief, tinySpec, tinyWorld } from './world.js'

// The model of this search is a child that another search could have made: no two of its layers are alike.
const world = await tinyWorld()
const first = await openModel(world.parent, blocks)
const replaced = async (layer: number, slot: Slot, block: string, params = {}): Promise<Replacement> => {
  const { norm, ...parent } = await first.weights(layer, slot)
  const type = blocks.get(slot, block)
  const own = await type.initialise(parent, layerFacts(first.config, layer), params, {})
  return { layer, slot, block, params, weights: type.empty ? {} : { norm: norm!, ...own } }
}
const child = replaceBlocks(first, [
  await replaced(0, 'attention', 'grouped-query', { kvHeads: 1 }),
  await replaced(0, 'ffn', 'swiglu', { width: 24 }),
  await replaced(1, 'attention', 'no-op'),
  await replaced(2, 'attention', 'linear'),
  await replaced(2, 'ffn', 'no-op'),
])
await writeModel(child, join(world.folder, 'child'), { dtype: 'float32' })

const search = await Search.open(
  world.folder,
  tinySpec({
    model: './child',
    space: {
      attention: [{ block: 'grouped-query', kvHeads: [1] }, { block: 'linear' }, 'no-op'],
      ffn: [{ block: 'swiglu', width: ['50%'] }, 'no-op'],
    },
    target: { scenario: { batch: 2, prefill: 4, generate: 4 }, limits: { parameters: '<= 80%' } },
    stages: brief({ sequences: 4, distill: 300, uptrain: 2000 }),
  }),
)
let result: Result
beforeAll(async () => {
  result = await search.json<Result>((await search.outputs('report')).files.result)
})
const own = [
  { attention: 'grouped-query-1', ffn: 'swiglu-24' },
  { attention: 'no-op', ffn: 'parent' },
  { attention: 'linear', ffn: 'no-op' },
]
const size = (weights: Awaited<ReturnType<Model['weights']>>) =>
  Object.values(weights).reduce((n, { data }) => n + data.length, 0)

test('blocks are named after what they are, and costs counted as they are', async () => {
  const table = await search.json<CostTable>((await search.outputs('profile')).files.costs)
  for (const [layer, names] of own.entries())
    for (const slot of ['attention', 'ffn'] as const)
      expect(table[slot][names[slot]]!.parameters).toBe(size(await child.weights(layer, slot)))
  // Half of 40 rounded to eights, half of 24; no layer has the first model's attention.
  expect(Object.keys(table.attention).sort()).toEqual(['grouped-query-1', 'linear', 'no-op'])
  expect(Object.keys(table.ffn).sort()).toEqual(['no-op', 'parent', 'swiglu-16', 'swiglu-24'])
})

test('a slot that was replaced stays or goes; others learn to be less', () => {
  const params = { besideNoOp: 'none', mode: 'decoupled', coupled: [] } as unknown as DistillParams
  const space = search.plan.inputs.space as Space
  expect(lessons(child, space, params, makeRuns()).map(({ train }) => train.map(({ entry }) => entry).join())).toEqual([
    'layer00/attention/linear',
    'layer00/ffn/swiglu-16',
    'layer01/ffn/swiglu-24',
  ])
})

test('scores are of what changes a layer, and the parent is what it was', async () => {
  const rows = await search.json<ScoreRow[]>((await search.outputs('score')).files.scores)
  const names = (layer: number, slot: ScoreRow['slot']) =>
    rows.filter((row) => row.layer === layer && row.slot === slot).map(({ attention, ffn }) => `${attention}+${ffn}`)
  expect(names(0, 'attention')).toEqual(['linear+swiglu-24', 'no-op+swiglu-24'])
  expect(names(1, 'attention')).toEqual([])
  expect(names(1, 'ffn')).toEqual(['no-op+swiglu-24', 'no-op+no-op'])
  expect(names(2, 'attention')).toEqual(['no-op+no-op'])
  expect(names(2, 'block')).toEqual([])
  expect(rows.every(({ kl }) => kl > 1e-6)).toBe(true)
})

test('the search ends with a child of the child, within limits relative to the child', async () => {
  const [evaluation] = (await search.outputs('evaluate')).values.evaluations as unknown as [Evaluation]
  let parameters = 2 * 50 * 24 + 24
  for (let layer = 0; layer < 3; layer++)
    for (const slot of ['attention', 'ffn'] as const) parameters += size(await child.weights(layer, slot))
  expect(evaluation.parent.parameters).toBe(parameters)
  expect(result.verdict).toBe('accepted')
  expect(result.ratios.parameters).toBeLessThanOrEqual(0.8)

  const folder = join(world.folder, 'grandchild')
  mkdirSync(folder)
  for (const [name, ref] of Object.entries((await search.outputs('export')).files))
    copyFileSync(await search.store.path(ref), join(folder, name))
  const { config } = await openModel(folder, blocks)
  const ids = config.blocks.map((layer) => {
    const id = (slot: Slot) => blocks.get(slot, layer[slot].block).id(layer[slot].params).replace('swiglu-40', 'parent')
    return { attention: id('attention'), ffn: id('ffn') }
  })
  expect(ids).toEqual(result.child.layers)
})
