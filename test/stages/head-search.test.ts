/** Searches whose space has types of the head. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { openModel } from '../../model/index.js'
import { sizes, type CostTable } from '../../puzzle/costs.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { Result } from '../../report/markdown.js'
import { FileStore } from '../../store/index.js'
import { blocks } from '../model/tiny.js'
import { temporaryFolder } from '../temporary-folder.js'
import { Search } from './run-stage.js'
import { brief, tinySpec, tinyWorld } from './world.js'

const scenario = { batch: 2, prefill: 4, generate: 4 }
const world = await tinyWorld()
const store = new FileStore(temporaryFolder())
const open = (weights: string | readonly string[], limits: JsonObject) =>
  Search.open(
    world.folder,
    tinySpec({
      space: { attention: ['parent'], ffn: ['parent'], head: { weights } },
      target: { scenario, limits },
      stages: {
        ...brief({ sequences: 6, distill: 500, uptrain: 600 }),
        solve: { solutions: 1 },
        export: { dtype: 'float32' },
      },
    }),
    { store },
  )
const outcomeOf = async (search: Search) => search.json<SolveOutcome>((await search.outputs('solve')).files.solutions)

// A head in 8 bits saves 3 KB of 73 KB, and nothing else can.
let search: Search
beforeAll(async () => {
  search = await open(['float32', 'int8', 'int4'], { memory: '<= 97%' })
  for (const { name } of search.plan.stages) await search.outputs(name)
})

test('the head that costs least quality within the limits is chosen, and the others are told', async () => {
  const outcome = await outcomeOf(search)
  expect(outcome.head).toBe('int8')
  expect(outcome.solutions[0]!.head).toBe('int8')
  expect(outcome.heads!.map(({ head }) => head)).toEqual(['float32', 'int8', 'int4'])
  const { heads } = (await search.outputs('score')).values as { heads: Record<string, number> }
  expect(heads.int8).toBeGreaterThan(0)
  expect(heads.int4).toBeGreaterThan(heads.int8!)
  // No block was replaced: what is lost is the head's.
  expect(outcome.solutions[0]!.objective).toBe(heads.int8)
})

test('without a limit that asks for it, the head stays the parent’s', async () => {
  const outcome = await outcomeOf(await open(['int8', 'float32'], { memory: '<= 100%' }))
  expect(outcome).not.toHaveProperty('head')
  expect(outcome.solutions[0]!.objective).toBe(0)
})

test('a head that is the only one is what every child has', async () => {
  const outcome = await outcomeOf(await open('int4', { memory: '<= 100%' }))
  expect(outcome.head).toBe('int4')
  expect(outcome).not.toHaveProperty('heads')
})

test('its time is measured beside the parent’s head, and its memory counted', async () => {
  const table = await search.json<CostTable>((await search.outputs('profile')).files.costs)
  const { floor, heads } = table
  expect(heads!.int8!.decodeSeconds).toBeGreaterThan(0)
  // 50 rows of 24 inputs: one block of 32, with a scale.
  expect(floor.memoryBytes - heads!.int8!.memoryBytes).toBe(50 * (4 * 24 - 32 - 4))
  expect(floor.parameters).toBe(heads!.int8!.parameters)
})

test('the child is measured, exported and reported with its head', async () => {
  const { selected } = (await search.outputs('select')).files
  const { predicted } = await search.json<Solution>(selected)
  const [{ child, parent }] = (await search.outputs('evaluate-child')).values.evaluations as unknown as [Evaluation]
  expect(child.memoryBytes).toBe(predicted.memoryBytes)
  expect(child.memoryBytes).toBeLessThan(0.97 * parent.memoryBytes)
  expect(child.kl).toBeGreaterThan(0)
  const folder = join(temporaryFolder(), 'child')
  mkdirSync(folder)
  for (const [name, ref] of Object.entries((await search.outputs('export')).files))
    copyFileSync(await search.store.path(ref), join(folder, name))
  const opened = await openModel(folder, blocks)
  expect(opened.config.headWeights).toBe('int8')
  expect(sizes(opened, scenario).memoryBytes).toBe(predicted.memoryBytes)
  const { files } = await search.outputs('report')
  const result = await search.json<Result & JsonObject>(files.result)
  expect(result.head).toMatchObject({ child: 'int8' })
})
