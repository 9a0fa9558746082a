import { copyFileSync, cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openModel } from '../../model/index.js'
import { needsOf } from '../../plugins/inspect/resources.js'
import { loadPlugins } from '../../plugins/registry.js'
import type { JsonObject } from '../../api/index.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { LibraryEntry } from '../../puzzle/library.js'
import type { Result } from '../../report/markdown.js'
import { FileStore } from '../../store/index.js'
import { blocks } from '../model/tiny.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { brief, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const machineState = temporaryFolder()
const stages = {
  ...brief({ sequences: 6, distill: 400, uptrain: 4000 }),
  solve: { solutions: 2 },
}
const spec = (changes: JsonObject = {}): JsonObject =>
  tinySpec({
    space: { attention: ['parent', { block: 'linear' }, 'no-op'], ffn: [{ block: 'swiglu', width: [16] }, 'no-op'] },
    stages,
    ...changes,
  })
/** Runs all stages in their order. */
async function run(search: Search): Promise<Search> {
  for (const { name } of search.plan.stages) await search.outputs(name)
  return search
}

const store = new FileStore(temporaryFolder())
let search: Search
let result: Result & JsonObject
beforeAll(async () => {
  search = await run(await Search.open(world.folder, spec(), { store, machineState }))
  result = await search.json<Result & JsonObject>((await search.outputs('report')).files.result)
})

test('a search finds a child within its limits, and says what it is', async () => {
  expect(result.verdict).toBe('accepted')
  expect(result.ratios.parameters).toBeLessThanOrEqual(0.7)
  expect(result.child.layers).toHaveLength(3)
  expect(result.solver.status).toBe('optimal')
  const { values } = await search.outputs('select')
  expect(result.solutionDigest).toBe(values.solutionDigest)
})

test('each stage has the tasks that were expected before any ran', async () => {
  const needs = await needsOf(search.plan, loadPlugins())
  const expected = Object.fromEntries(needs.map(({ stage, tasks = 1 }) => [stage, tasks]))
  expect(Object.keys(expected)).toEqual(search.plan.stages.map(({ name }) => name))
  for (const { name } of search.plan.stages)
    expect({ [name]: (await search.tasks(name)).length }).toEqual({ [name]: expected[name] })
})

test('predicted sizes are the measured ones', async () => {
  const { values } = await search.outputs('select')
  const { predicted } = values as unknown as { predicted: { memoryBytes: number; parameters: number } }
  const [child] = (await search.outputs('evaluate-child')).values.evaluations as unknown as [Evaluation]
  expect(child.child).toMatchObject({ memoryBytes: predicted.memoryBytes, parameters: predicted.parameters })
})

test('the exported child opens, and has the blocks that the result names', async () => {
  const folder = join(temporaryFolder(), 'child')
  mkdirSync(folder)
  const { files } = await search.outputs('export')
  for (const [name, ref] of Object.entries(files)) copyFileSync(await store.path(ref), join(folder, name))
  const { config } = await openModel(folder, blocks)
  const parents = ['grouped-query-2', 'swiglu-40']
  const names = config.blocks.map((layer) => {
    const name = (slot: 'attention' | 'ffn') => {
      const id = blocks.get(slot, layer[slot].block).id(layer[slot].params)
      return parents.includes(id) ? 'parent' : id
    }
    return { attention: name('attention'), ffn: name('ffn') }
  })
  expect(names).toEqual(result.child.layers)
})

test('the same search again does nothing', async () => {
  const again = await run(await Search.open(world.folder, spec({ name: 'again' }), { store, machineState }))
  expect(again.ran).toEqual([])
})

test('another limit trains nothing again', async () => {
  const target = { scenario: { batch: 2, prefill: 4, generate: 4 }, limits: { parameters: '<= 60%' } }
  const other = await Search.open(world.folder, spec({ target }), { store, machineState })
  await other.outputs('solve')
  expect(other.ran).toEqual(['check-limits: check-limits', 'solve: solve'])
})

test('a variant more trains and scores that variant alone', async () => {
  const space = {
    attention: ['parent', { block: 'linear' }, 'no-op'],
    ffn: [{ block: 'swiglu', width: [16, 8] }, 'no-op'],
  }
  const other = await Search.open(world.folder, spec({ space }), { store, machineState })
  await other.outputs('score')
  const tasks = other.ran.filter((task) => !task.endsWith(': gather'))
  // Random children are of the space: other ones are timed.
  const expected = /swiglu-8|^check-limits|^profile: child/
  expect(tasks.filter((task) => !expected.test(task))).toEqual([])
  // Beside the parent and beside none, in three layers.
  expect(tasks.filter((task) => task.startsWith('distill'))).toHaveLength(6)
})

test('in another folder and store the same search has the same bits, but for times', async () => {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  const other = await Search.open(folder, spec(), { machineState })
  const library = async (own: Search) => own.json<LibraryEntry[]>((await own.outputs('distill')).files.library)
  expect(await library(other)).toEqual(await library(search))
  expect((await other.outputs('score')).files).toEqual((await search.outputs('score')).files)
  expect((await other.outputs('solve')).values).toEqual((await search.outputs('solve')).values)
})
