import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openModel, replaceBlocks, weightName, type Model } from '../../model/index.js'
import { slots, type JsonObject, type Slot } from '../../api/index.js'
import { openBase } from '../../puzzle/base.js'
import type { CapturedFiles } from '../../puzzle/captured.js'
import { parameterCount } from '../../puzzle/costs.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { BaseOutputs, RefineOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput } from '../../puzzle/inputs.js'
import { ownVariant, readWeights, type Base, type LibraryEntry } from '../../puzzle/library.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { Result } from '../../report/markdown.js'
import { readSequences } from '../../data/sequences.js'
import { FileStore } from '../../store/index.js'
import { readTensors } from '../../tensor/index.js'
import { blocks } from '../model/tiny.js'
import { compare } from './reference.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { brief, textsOf, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const machineState = temporaryFolder()
const stages = {
  ...brief({ sequences: 6, distill: 400, uptrain: 2000 }),
  solve: { solutions: 2 },
  refine: { evaluations: 10, sequences: 6 },
}
const space = { attention: ['parent', { block: 'linear' }, 'no-op'], ffn: [{ block: 'swiglu', width: [16] }, 'no-op'] }
const limits = { parameters: '<= 60%' }
const spec = (changes: JsonObject = {}): JsonObject =>
  tinySpec({
    pipeline: 'iterative',
    space,
    stages,
    target: { scenario: { batch: 2, prefill: 4, generate: 4 }, limits },
    ...changes,
  })
async function run(search: Search): Promise<Search> {
  for (const { name } of search.plan.stages) await search.outputs(name)
  return search
}
const libraryOf = async (search: Search, stage: string) =>
  new Map((await search.json<LibraryEntry[]>((await search.outputs(stage)).files.library)).map((own) => [own.id, own]))

const store = new FileStore(temporaryFolder())
let search: Search
let parent: Model
let base: Base
let result: Result & JsonObject
beforeAll(async () => {
  search = await run(await Search.open(world.folder, spec(), { store, machineState }))
  result = await search.json<Result & JsonObject>((await search.outputs('report')).files.result)
  parent = await search.parent()
  const { spec: inputs, ...own } = search.environment(['model'])
  const outputs = (await search.outputs('base')) as unknown as BaseOutputs
  base = await openBase({ ...own, spec: inputs as JsonObject & ModelInput }, outputs.files.base)
})

test('the first round goes half of the way, and the second all of it', async () => {
  const predicted = async (stage: string) =>
    (await search.json<SolveOutcome>((await search.outputs(stage)).files.solutions)).solutions[0]!.predicted.parameters
  const [whole, first, second] = [parameterCount(parent), await predicted('first-solve'), await predicted('solve')]
  expect(first).toBeLessThanOrEqual(0.8 * whole)
  expect(first).toBeGreaterThan(0.6 * whole)
  expect(second).toBeLessThanOrEqual(0.6 * whole)
  expect(parameterCount(base)).toBeLessThanOrEqual(0.8 * whole)
})

test('the base is the trained child of the first round, with the last norm of the parent', async () => {
  const { tensors } = await readTensors(await store.path((await search.outputs('first-uptrain')).files.child!))
  for (let layer = 0; layer < base.config.layers; layer++)
    for (const slot of slots)
      for (const [name, { data }] of Object.entries(await base.weights(layer, slot)))
        expect(data).toEqual(tensors[weightName(layer, slot, name)]!.data)
  expect(tensors).not.toHaveProperty('norm')
  const replaced = base.config.blocks.flatMap((_, layer) => slots.map((slot) => ownVariant(base, layer, slot)))
  expect(replaced.filter((variant) => variant !== 'parent').length).toBeGreaterThan(0)
})

test('variants of the second round begin with what they were after the first', async () => {
  const first = await libraryOf(search, 'first-distill')
  const tasks = await search.tasks('distill')
  const begins = tasks.flatMap(({ params, inputs }) =>
    (params.train as unknown as { entry: string; slot: Slot }[]).map(({ entry, slot }) => [
      entry,
      inputs[`earlier-${slot}`]?.digest,
    ]),
  )
  const own = (entry: string) => {
    const [layer, slot, variant] = entry.split('+')[0]!.split('/') as [string, Slot, string]
    return variant === ownVariant(base, Number(layer.slice(5)), slot)
  }
  // The base's own blocks begin as they are, and the parent's, which needed no training, with the parent's weights.
  for (const [entry, digest] of begins)
    expect(digest, entry).toBe(
      own(entry!) ? undefined : (first.get(entry!) ?? first.get(entry!.split('+')[0]!))?.weights?.digest,
    )
  expect(begins.filter(([, digest]) => digest !== undefined).length).toBeGreaterThan(0)
  expect(tasks.some(({ id }) => begins.some(([entry]) => entry === id && own(entry)))).toBe(true)
})

test('scores of the second round are what blocks do to the base', async () => {
  const rows = await search.json<ScoreRow[]>((await search.outputs('score')).files.scores)
  const library = await libraryOf(search, 'distill')
  const { files } = await search.outputs('recapture')
  const texts = textsOf(await readSequences(search.environment([]), (files as CapturedFiles)['validate-tokens']!, 6))
  const changed = (slot: Slot) =>
    rows.find((row) => row.slot === slot && library.get(row.entries[slot])!.weights !== null && row.kl > 1e-5)!
  for (const slot of slots) {
    const { layer, entries, kl } = changed(slot)
    const { block, params, weights } = library.get(entries[slot])!
    const child = replaceBlocks(base, [
      { layer, slot, block, params, weights: await readWeights(await store.path(weights!)) },
    ])
    const reference = await compare(base, child, texts)
    expect(Math.abs(kl / reference.kl - 1)).toBeLessThan(0.02)
  }
  for (const { layer, attention, ffn, slot } of rows)
    expect(`${attention}+${ffn}`, `${layer} ${slot}`).not.toBe(
      `${ownVariant(base, layer, 'attention')}+${ownVariant(base, layer, 'ffn')}`,
    )
})

test('children of the second round are measured against the parent', async () => {
  const { values, files } = (await search.outputs('refine')) as unknown as RefineOutputs
  const { solutions } = await search.json<SolveOutcome>(files.solutions)
  const [evaluation] = (await search.outputs('evaluate')).values.evaluations as unknown as [Evaluation]
  expect(evaluation.parent.parameters).toBe(parameterCount(parent))
  // Six sequences of the same text.
  expect(Math.abs(values.after! / evaluation.child.kl - 1)).toBeLessThan(0.02)
  expect(solutions[0]!.objective).toBe(values.after)
  expect(result.verdict).toBe('accepted')
  expect(result.ratios.parameters).toBeLessThanOrEqual(0.6)
  expect(result.base!.layers[1]).toEqual({
    attention: ownVariant(base, 1, 'attention'),
    ffn: ownVariant(base, 1, 'ffn'),
  })
})

test('the exported child has the blocks that the result names', async () => {
  const folder = join(temporaryFolder(), 'child')
  mkdirSync(folder)
  for (const [name, ref] of Object.entries((await search.outputs('export')).files))
    copyFileSync(await store.path(ref), join(folder, name))
  const { config } = await openModel(folder, blocks)
  const names = config.blocks.map((layer) => {
    const name = (slot: Slot) => {
      const id = blocks.get(slot, layer[slot].block).id(layer[slot].params)
      return ['grouped-query-2', 'swiglu-40'].includes(id) ? 'parent' : id
    }
    return { attention: name('attention'), ffn: name('ffn') }
  })
  expect(names).toEqual(result.child.layers)
})

test('the same search again does nothing', async () => {
  const again = await run(await Search.open(world.folder, spec({ name: 'again' }), { store, machineState }))
  expect(again.ran).toEqual([])
})

test('a search of one round finds in the store what the first round did', async () => {
  const other = await Search.open(world.folder, spec({ pipeline: 'puzzle' }), { store, machineState })
  await other.outputs('score')
  expect(other.ran).toEqual([])
})

test('stages of the first round have the parameters of the second, unless the spec sets others', async () => {
  const params = (own: Search, name: string) => own.plan.stages.find((stage) => stage.name === name)!.params
  expect(params(search, 'first-distill')).toEqual(params(search, 'distill'))
  expect(params(search, 'recapture')).toEqual(params(search, 'capture'))
  const other = await Search.open(
    world.folder,
    spec({ stages: { ...stages, 'first-distill': { tokens: 200 }, 'first-solve': { share: '30%' } } }),
  )
  expect(params(other, 'first-distill')).toEqual({ ...params(search, 'distill'), tokens: 200 })
  expect(params(other, 'first-solve')).toMatchObject({ share: 0.3, solutions: 2 })
})

test('runs of layers are replaced in both rounds', async () => {
  const runs = [{ run: 'drop', span: [1, 2] }, { run: 'merge' }, { run: 'fuse-ffn', span: 2 }]
  const own = await run(
    await Search.open(
      world.folder,
      spec({
        space: { attention: ['parent'], ffn: ['parent'], runs },
        target: { scenario: { batch: 2, prefill: 4, generate: 4 }, limits: { parameters: '<= 65%' } },
      }),
      { store, machineState },
    ),
  )
  const { child, verdict, ratios, base: first } = await own.json<Result>((await own.outputs('report')).files.result)
  const replaced = (layers: Result['child']['layers']) =>
    layers.flatMap(({ attention, ffn }) => [attention, ffn]).filter((variant) => variant !== 'parent').length
  expect(replaced(first!.layers)).toBeGreaterThan(0)
  expect(replaced(child.layers)).toBeGreaterThan(replaced(first!.layers))
  expect(verdict).toBe('accepted')
  expect(ratios.parameters).toBeLessThanOrEqual(0.65)
})
