import { copyFileSync, mkdirSync } from 'node:fs'
import type { Space } from '../../puzzle/inputs.js'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openModel, quantisationOf, replaceBlocks, rounded, type Model } from '../../model/index.js'
import type { JsonObject, Weights } from '../../api/index.js'
import { readChild } from '../../puzzle/child.js'
import { sizes, type CostTable } from '../../puzzle/costs.js'
import { asTask, assemble, chosenEntries, variants, type LibraryEntry } from '../../puzzle/library.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import type { Result } from '../../report/markdown.js'
import { blocks } from '../model/tiny.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { brief, greedy, tinySpec, tinyWorld } from './world.js'

const scenario = { batch: 2, prefill: 4, generate: 4 }
const space: Space = {
  attention: [{ block: 'parent', weights: ['int8', 'int4'] }],
  ffn: [{ block: 'parent', weights: 'int8' }, { block: 'swiglu', width: [16], weights: ['float32', 'int4'] }, 'no-op'],
}
const spec = tinySpec({
  space,
  // Less than half: no slot can stay as it is, and removing FFNs is the dearest way.
  target: { scenario, limits: { memory: '<= 62%' } },
  stages: {
    ...brief({ sequences: 6, distill: 1500, uptrain: 3000 }),
    solve: { solutions: 1 },
    // Exact, so that what opens can be compared with what was trained.
    export: { dtype: 'float32' },
  },
})

const world = await tinyWorld()
let search: Search
let parent: Model
let library: ReadonlyMap<string, LibraryEntry>
let solution: Solution
let folder: string
beforeAll(async () => {
  search = await Search.open(world.folder, spec)
  for (const { name } of search.plan.stages) await search.outputs(name)
  parent = await search.parent()
  const { files } = await search.outputs('distill')
  library = new Map((await search.json<LibraryEntry[]>(files.library)).map((entry) => [entry.id, entry]))
  solution = await search.json<Solution>((await search.outputs('select')).files.selected)
  folder = join(temporaryFolder(), 'child')
  mkdirSync(folder)
  for (const [name, ref] of Object.entries((await search.outputs('export')).files))
    copyFileSync(await search.store.path(ref), join(folder, name))
})

/** Of every slot with weights in integers: they are what rounding makes of them. */
async function expectOnGrid(model: Model): Promise<number> {
  let count = 0
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const) {
      const quantisation = quantisationOf(model, layer, slot)
      const weights = await model.weights(layer, slot)
      expect(rounded(weights, quantisation)).toEqual(weights)
      count += quantisation?.names.size ?? 0
    }
  return count
}

test('the space is multiplied by the kinds of weights, and ids tell them', () => {
  const ids = (slot: 'attention' | 'ffn') => variants(space, slot, parent, 1).map(({ id, own }) => [id, own])
  expect(ids('attention')).toEqual([
    ['parent', true],
    ['parent-int8', false],
    ['parent-int4', false],
  ])
  expect(ids('ffn')).toEqual([
    ['parent', true],
    ['parent-int8', false],
    ['swiglu-16', false],
    ['swiglu-16-int4', false],
    ['no-op', false],
  ])
})

test('a child with integers can be searched again: its own block keeps its name, others come beside it', async () => {
  const { params } = parent.config.blocks[1]!.ffn
  const child = replaceBlocks(parent, [
    { layer: 1, slot: 'ffn', block: 'swiglu', params: { ...params, weights: 'int8' }, weights: {} },
  ])
  const wanted: Space = {
    attention: [],
    ffn: [
      { block: 'parent', weights: ['int8', 'int4'] },
      { block: 'swiglu', width: [16] },
    ],
  }
  const found = variants(wanted, 'ffn', child, 1).map(({ id, own, params }) => [id, own, params])
  expect(found).toEqual([
    ['swiglu-40-int8', true, { ...params, weights: 'int8' }],
    ['parent-int4', false, { ...params, weights: 'int4' }],
    ['swiglu-16', false, { width: 16 }],
  ])
})

test('every variant with integers is trained, and leaves weights on its grid', async () => {
  for (const entry of library.values()) {
    if (!/-int[48]/.test(entry.variant) || entry.weights === null) continue
    const { fillings, inputs } = asTask([entry])
    const child = assemble(parent, fillings, inputs, search.environment([]))
    const quantisation = quantisationOf(child, entry.layer, entry.slot)!
    const weights = await child.weights(entry.layer, entry.slot)
    expect(rounded(weights, quantisation)).toEqual(weights)
    expect(entry.nmseAfter, entry.id).toBeLessThanOrEqual(entry.nmseBefore)
  }
  expect([...library.keys()].filter((id) => id.includes('/parent-int4'))).toHaveLength(6)
})

test('the parent’s own weights as integers of 4 bits come nearer to it than rounding alone', () => {
  for (const layer of [0, 1, 2]) {
    const { nmseBefore, nmseAfter } = library.get(`layer0${layer}/attention/parent-int4`)!
    expect(nmseAfter).toBeLessThan(nmseBefore)
  }
})

test('fewer bits lose more', async () => {
  const rows = await search.json<ScoreRow[]>((await search.outputs('score')).files.scores)
  const kl = (layer: number, attention: string) =>
    rows.find((row) => row.layer === layer && row.slot === 'attention' && row.attention === attention)!.kl
  for (const layer of [0, 1, 2]) {
    expect(kl(layer, 'parent-int8')).toBeGreaterThan(0)
    expect(kl(layer, 'parent-int4')).toBeGreaterThan(2 * kl(layer, 'parent-int8'))
  }
})

test('costs count the bytes of integers, and parameters as before', async () => {
  const table = await search.json<CostTable>((await search.outputs('profile')).files.costs)
  const { parent: whole, 'parent-int8': eight, 'parent-int4': four } = table.attention
  expect(eight!.parameters).toBe(whole!.parameters)
  // q [24, 32], k and v [24, 16], o [32, 24]: one block of 32 inputs, with a scale. The norm stays float32.
  const columns = 32 + 16 + 16 + 24
  expect(whole!.memoryBytes - eight!.memoryBytes).toBe(4 * (24 * 64 + 32 * 24) - columns * (32 + 4))
  expect(eight!.memoryBytes - four!.memoryBytes).toBe(columns * 16)
})

test('the child meets its limit of memory with integers, as predicted', async () => {
  const result = await search.json<Result & JsonObject>((await search.outputs('report')).files.result)
  expect(result.ratios.memory).toBeLessThanOrEqual(0.62)
  expect(JSON.stringify(result.child.layers)).toMatch(/-int[48]/)
  const [child] = (await search.outputs('evaluate-child')).values.evaluations as unknown as [Evaluation]
  expect(child.child.memoryBytes).toBe(solution.predicted.memoryBytes)
  expect(sizes(await openModel(folder, blocks), scenario).memoryBytes).toBe(solution.predicted.memoryBytes)
})

test('uptraining and export keep weights on their grid', async () => {
  const { fillings, inputs } = asTask(chosenEntries(library, solution.choice))
  const assembled = assemble(parent, fillings, inputs, search.environment([]))
  const { child } = (await search.outputs('uptrain')).files
  const trained = await readChild(assembled, await search.store.path(child!))
  expect(await expectOnGrid(trained)).toBeGreaterThan(0)
  const layer = trained.config.blocks.findIndex((_, n) => quantisationOf(trained, n, 'attention'))
  expect(await trained.weights(layer, 'attention')).not.toEqual(await assembled.weights(layer, 'attention'))
  const opened = await openModel(folder, blocks)
  await expectOnGrid(opened)
  expect(opened.config.blocks).toEqual(trained.config.blocks)
  const matrices = async (own: Model): Promise<Weights> => own.weights(layer, 'attention')
  expect(await matrices(opened)).toEqual(await matrices(trained))
  const prompts = [
    [1, 5, 9],
    [1, 30, 12],
  ]
  expect(await greedy(opened, prompts, 12)).toEqual(await greedy(trained, prompts, 12))
})
