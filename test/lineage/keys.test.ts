import { cpSync, writeFileSync } from 'node:fs'
import type { Space } from '../../puzzle/inputs.js'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { plannedStage, taskKey } from '../../lineage/keys.js'
import { loadPlugins } from '../../plugins/registry.js'
import type { JsonObject } from '../../api/index.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import { FileStore } from '../../store/index.js'
import { openTiny } from '../model/tiny.js'
import { fakeCapture, fakeLibrary, fakeRef } from '../stages/fakes.js'
import { Search } from '../stages/run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from '../stages/world.js'

const world = await tinyWorld()
const model = await openTiny()
const store = new FileStore(temporaryFolder())
const space = (...widths: number[]): JsonObject => ({
  attention: ['parent', { block: 'linear' }, 'no-op'],
  ffn: [{ block: 'swiglu', width: widths }, 'no-op'],
})

/** A search whose stages before those with tasks have left something. */
async function search(changes: JsonObject = {}, folder = world.folder): Promise<Search> {
  const own = await Search.open(folder, tinySpec({ space: space(16), ...changes }), { store })
  const spec = own.plan.inputs.space as Space
  own.give('prepare', { files: { train: fakeRef('train'), validate: fakeRef('validate'), tasks: fakeRef('tasks') } })
  own.give('check-limits', {})
  own.give('capture', fakeCapture())
  const library = await store.putJson('library', fakeLibrary(model, spec))
  own.give('distill', { files: { library } })
  const choice = [0, 1, 2].map((n) => ({ attention: `layer0${n}/attention/linear`, ffn: `layer0${n}/ffn/swiglu-16` }))
  const solution = { choice, objective: 0.1, predicted: { throughput: 1, runtime: 1, memoryBytes: 1, parameters: 1 } }
  own.give('refine', { values: { evaluations: 0 } })
  own.give('solve', {
    files: { solutions: await store.putJson('solutions', { solutions: [solution satisfies Solution] }) },
  })
  own.give('select', { files: { selected: await store.putJson('solution', solution) } })
  return own
}

/** Keys of all tasks that are planned, by stage and id; but for random children, which are drawn from the whole space. */
async function keys(own: Search): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const stage of ['profile', 'distill', 'score', 'evaluate', 'uptrain'])
    for (const task of await own.tasks(stage))
      if (!task.id.startsWith('child/')) all[`${stage}: ${task.id}`] = await own.key(stage, task)
  return all
}

const before = await keys(await search())

test('tasks have keys of their own', () => {
  expect(new Set(Object.values(before)).size).toBe(Object.keys(before).length)
  expect(Object.keys(before)).toEqual(
    expect.arrayContaining([
      'profile: floor',
      'profile: ffn/swiglu-16',
      'distill: layer02/ffn/swiglu-16+no-op',
      'score: layer01/ffn/parent+swiglu-16',
      'evaluate: solution-1',
      'uptrain: child',
    ]),
  )
})

test('a width more in the space leaves the keys of all other tasks as they are', async () => {
  const after = await keys(await search({ space: space(16, 8) }))
  expect(after).toMatchObject(before)
  const added = Object.keys(after).filter((id) => !(id in before))
  expect(added.length).toBeGreaterThan(0)
  expect(added.filter((id) => !id.includes('swiglu-8'))).toEqual([])
})

test('runs of layers in the space leave the keys of all other tasks as they are', async () => {
  const runs = [{ run: 'drop' }, { run: 'merge' }, { run: 'fuse-ffn', span: 2 }]
  const after = await keys(await search({ space: { ...space(16), runs } }))
  expect(after).toMatchObject(before)
  const added = Object.keys(after).filter((id) => !(id in before))
  expect(added).toContain('distill: layer00/attention/parent+merge-2 + layer00/ffn/parent+merge-2')
  expect(added).toContain('score: layer02/run/drop-1')
  expect(added).toContain('profile: ffn/swiglu-80')
})

test('names of the spec and of stages, labels, groups and paths are no part of a key', async () => {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  const moved = await search({ name: 'another' }, folder)
  expect(await keys(moved)).toEqual(before)

  const { plan } = moved
  const [task] = await moved.tasks('distill')
  const planned = { ...plannedStage(plan, 'distill'), name: 'bld', timeout: 5, retry: { maximumAttempts: 2 } }
  const stage = loadPlugins().stage('distill')
  const renamed = taskKey(
    { plan: { ...plan, specFile: '/elsewhere' }, planned, stage, params: planned.params, outputs: {} },
    { ...task!, label: 'another', group: 'another' },
  )
  expect(renamed.key).toBe(before[`distill: ${task!.id}`])
})

test('limits, tasks and other stages’ parameters are no part of the keys of what is trained and scored', async () => {
  const target = { scenario: { batch: 2, prefill: 4, generate: 4 }, limits: { throughput: '>= 9x' }, quality: '>= 50%' }
  expect(
    await keys(await search({ target, stages: { solve: { solutions: 1 }, profile: { repetitions: 8 } } })),
  ).toEqual(before)
})

test.each([
  ['the seed', { seed: 6 }, ['profile', 'distill', 'score', 'evaluate', 'uptrain']],
  ['the learning rate', { stages: { distill: { learningRate: 0.1 } } }, ['distill']],
  ['the number of scored sequences', { stages: { score: { sequences: 3 } } }, ['score']],
  ['the scenario', { target: { scenario: { batch: 3, prefill: 4, generate: 4 } } }, ['profile', 'evaluate']],
])('%s is part of the keys of the tasks that it changes, and of no others', async (_, changes: JsonObject, changed) => {
  const after = await keys(await search(changes))
  const stages = Object.keys(before).flatMap((id) => (after[id] === before[id] ? [] : [id.split(':')[0]]))
  expect([...new Set(stages)]).toEqual(changed)
  const all = Object.keys(before).filter((id) => changed.includes(id.split(':')[0]!))
  expect(all.filter((id) => after[id] === before[id])).toEqual([])
})

test('another file in the model’s folder changes all keys', async () => {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  writeFileSync(join(folder, 'parent/README.md'), 'Another one.')
  const after = await keys(await search({}, folder))
  expect(Object.keys(before).filter((id) => after[id] === before[id])).toEqual([])
})

test('variants with weights in integers leave the keys of all others as they are', async () => {
  const quantised = {
    attention: [{ block: 'parent', weights: ['int8'] }, { block: 'linear' }, 'no-op'],
    ffn: [{ block: 'swiglu', width: [16], weights: ['float32', 'int4'] }, 'no-op'],
  }
  const after = await keys(await search({ space: quantised }))
  for (const [task, key] of Object.entries(before)) {
    // Which pairs are sampled may change with what there is to pair; a task that is left has its key.
    if (after[task] !== undefined || !task.includes('/block/')) expect(after[task], task).toBe(key)
  }
  const added = Object.keys(after).filter((task) => !(task in before))
  expect(added).toEqual(
    expect.arrayContaining([
      'profile: attention/parent-int8',
      'profile: ffn/swiglu-16-int4',
      'distill: layer00/attention/parent-int8',
      'distill: layer02/ffn/swiglu-16-int4+no-op',
      'score: layer01/ffn/parent+swiglu-16-int4',
    ]),
  )
  expect(added.filter((task) => !/-int[48]/.test(task))).toEqual([])
})
