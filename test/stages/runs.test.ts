import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openModel } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { LibraryEntry } from '../../puzzle/library.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import type { Result } from '../../report/markdown.js'
import { FileStore } from '../../store/index.js'
import { blocks } from '../model/tiny.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { brief, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const store = new FileStore(temporaryFolder())
const machineState = temporaryFolder()
const spec = (runs: readonly JsonObject[], limits: JsonObject): JsonObject =>
  tinySpec({
    space: { attention: ['parent'], ffn: ['parent'], runs },
    target: { scenario: { batch: 2, prefill: 4, generate: 4 }, limits },
    stages: {
      ...brief({ sequences: 6, distill: 4000, uptrain: 400 }),
      solve: { solutions: 1 },
    },
  })

let search: Search
let library: LibraryEntry[]
let rows: ScoreRow[]
let result: Result
beforeAll(async () => {
  const runs = [{ run: 'drop', span: [1, 2] }, { run: 'merge' }, { run: 'fuse-ffn', span: 2 }]
  search = await Search.open(world.folder, spec(runs, { parameters: '<= 88%' }), { store, machineState })
  for (const { name } of search.plan.stages) await search.outputs(name)
  library = await search.json<LibraryEntry[]>((await search.outputs('distill')).files.library)
  rows = await search.json<ScoreRow[]>((await search.outputs('score')).files.scores)
  result = await search.json<Result>((await search.outputs('report')).files.result)
})

test('what remains of a run is trained, and is in the library with its span', () => {
  const fused = library.filter(({ beside }) => beside === 'fuse-ffn-2')
  expect(fused.map(({ id, span }) => [id, span])).toEqual([
    ['layer00/attention/parent+fuse-ffn-2', 2],
    ['layer00/ffn/swiglu-80+fuse-ffn-2', 2],
    ['layer01/attention/parent+fuse-ffn-2', 2],
    ['layer01/ffn/swiglu-80+fuse-ffn-2', 2],
  ])
  for (const { nmseBefore, nmseAfter } of fused) expect(nmseAfter).toBeLessThan(nmseBefore)
})

test('every replacement of a run is scored alone', () => {
  const of = (run: string) => rows.filter((row) => row.run === run).map(({ layer }) => layer)
  expect(of('drop-1')).toEqual([0, 1, 2])
  expect(of('drop-2')).toEqual([0, 1])
  expect(of('merge-2')).toEqual([0, 1])
  expect(of('fuse-ffn-2')).toEqual([0, 1])
  for (const { kl } of rows) expect(kl).toBeGreaterThan(0)
})

test('predicted sizes of a child with runs are the measured ones', async () => {
  const { predicted } = (await search.outputs('select')).values as unknown as {
    predicted: { memoryBytes: number; parameters: number }
  }
  const [{ child }] = (await search.outputs('evaluate-child')).values.evaluations as unknown as [Evaluation]
  expect(child).toMatchObject({ memoryBytes: predicted.memoryBytes, parameters: predicted.parameters })
})

test('the report names what stands in the layers of a run, and the exported child has just that', async () => {
  expect(result.ratios.parameters).toBeLessThanOrEqual(0.88)
  expect(result.child.layers).toContainEqual({ attention: 'no-op', ffn: 'no-op' })
  const { runs = [], layers } = result.child
  expect(runs.length).toBeGreaterThan(0)
  for (const { layer, span, run } of runs) {
    expect(run).toMatch(new RegExp(`^(drop|merge|fuse-ffn)-${span}$`))
    for (const rest of layers.slice(layer + 1, layer + span)) expect(rest).toEqual({ attention: 'no-op', ffn: 'no-op' })
  }
  const folder = temporaryFolder()
  const { files } = await search.outputs('export')
  for (const [name, ref] of Object.entries(files)) copyFileSync(await store.path(ref), join(folder, name))
  const { config } = await openModel(folder, blocks)
  const parents = ['grouped-query-2', 'swiglu-40']
  const name = (slot: 'attention' | 'ffn', choice: (typeof config.blocks)[number]) => {
    const id = blocks.get(slot, choice[slot].block).id(choice[slot].params)
    return parents.includes(id) ? 'parent' : id
  }
  expect(config.blocks.map((own) => ({ attention: name('attention', own), ffn: name('ffn', own) }))).toEqual(
    result.child.layers,
  )
})

test('limits that only a fused run can meet are met by it', async () => {
  const fusing = spec([{ run: 'fuse-ffn', span: 3 }], { parameters: '<= 85%' })
  const own = await Search.open(world.folder, fusing, { store, machineState })
  const { layers, objective, evaluation } = (await own.outputs('select')).values as unknown as {
    layers: JsonObject[]
    objective: number
    evaluation: Evaluation
  }
  expect(layers).toEqual([
    { attention: 'parent', ffn: 'swiglu-120' },
    { attention: 'no-op', ffn: 'no-op' },
    { attention: 'no-op', ffn: 'no-op' },
  ])
  // One replacement, measured on the same text: the score is the child's KL, but for 16-bit states.
  expect(evaluation.child.kl / objective).toBeCloseTo(1, 2)
})
