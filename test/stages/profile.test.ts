import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import type { Calibration } from '../../puzzle/calibration.js'
import type { CostTable } from '../../puzzle/costs.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const space: JsonObject = {
  attention: [{ block: 'grouped-query', kvHeads: [1] }, { block: 'linear' }, 'no-op'],
  ffn: [{ block: 'swiglu', width: [16] }, 'no-op'],
}
const scenario = { batch: 2, prefill: 4, generate: 4 }
const stages = { profile: { repetitions: 3, precision: '100%', copies: 1, children: 2 }, prepare: {} }
const machineState = temporaryFolder()
const open = (changes: JsonObject = {}) =>
  Search.open(world.folder, tinySpec({ space, stages, target: { scenario }, ...changes }), { machineState })
const tableOf = async (search: Search) => search.json<CostTable>((await search.outputs('profile')).files.costs)

const search = await open()
const table = await tableOf(search)

test('the table has every distinct variant of the space, and the floor; each that is not empty is timed once', () => {
  expect(Object.keys(table.attention).sort()).toEqual(['grouped-query-1', 'linear', 'no-op', 'parent'])
  expect(Object.keys(table.ffn).sort()).toEqual(['no-op', 'parent', 'swiglu-16'])
  expect(search.ran.filter((task) => task.startsWith('profile'))).toEqual([
    'profile: floor',
    'profile: attention/parent',
    'profile: attention/grouped-query-1',
    'profile: attention/linear',
    'profile: ffn/parent',
    'profile: ffn/swiglu-16',
    'profile: child/1',
    'profile: child/2',
    'profile: gather',
  ])
  expect(table).toMatchObject({ version: 1, scenario })
  expect(table.fingerprint).toMatchObject({ threads: 1, platform: `${process.platform}-${process.arch}` })
})

test('blocks are timed with the threads of the target, unless the stage has its own', async () => {
  const threadsOf = async (changes: JsonObject) => {
    const tasks = await (await open(changes)).tasks('profile')
    return new Set(tasks.map(({ params }) => params.threads))
  }
  const target = { scenario, threads: 2 }
  expect(await threadsOf({ target })).toEqual(new Set([2]))
  expect(await threadsOf({ target, stages: { ...stages, profile: { threads: 3 } } })).toEqual(new Set([3]))
})

test('parameters and memory are counted from the shapes', () => {
  const count = ({ parameters, memoryBytes }: CostTable['floor']) => [parameters, memoryBytes]
  // Floats of keys or values of one head: 8 a token, 8 tokens, 2 sequences.
  const cache = 8 * 8 * 2
  const norm = 24
  const parent = norm + 2 * 24 * 32 + 2 * 24 * 16
  const one = norm + 2 * 24 * 32 + 2 * 24 * 8
  expect(count(table.floor)).toEqual([2 * 50 * 24 + norm, 4 * (2 * 50 * 24 + norm)])
  expect(count(table.attention.parent!)).toEqual([parent, 4 * (parent + 2 * 2 * cache)])
  expect(count(table.attention['grouped-query-1']!)).toEqual([one, 4 * (one + 2 * cache)])
  expect(count(table.attention.linear!)).toEqual([norm + 24 * 24, 4 * (norm + 24 * 24)])
  expect(count(table.ffn.parent!)).toEqual([norm + 3 * 24 * 40, 4 * (norm + 3 * 24 * 40)])
  expect(count(table.ffn['swiglu-16']!)).toEqual([norm + 3 * 24 * 16, 4 * (norm + 3 * 24 * 16)])
  const nothing = { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 }
  expect([table.attention['no-op'], table.ffn['no-op']]).toEqual([nothing, nothing])
})

test('no time is negative, and the floor takes some', () => {
  const costs = [table.floor, ...Object.values(table.attention), ...Object.values(table.ffn)]
  for (const { prefillSeconds, decodeSeconds } of costs)
    expect([prefillSeconds, decodeSeconds].every((n) => Number.isFinite(n) && n >= 0)).toBe(true)
  expect(table.floor.prefillSeconds).toBeGreaterThan(0)
  expect(table.floor.decodeSeconds).toBeGreaterThan(0)
})

test('a model whose embedding is its head has it once on the floor', async () => {
  const tied = await tinyWorld({ tie_word_embeddings: true })
  const own = await Search.open(tied.folder, tinySpec({ space, stages, target: { scenario } }))
  expect((await tableOf(own)).floor).toMatchObject({ parameters: 50 * 24 + 24 })
})

test('what was measured on this machine is not measured again, in another store either', async () => {
  const again = await open()
  expect(await tableOf(again)).toEqual(table)
  expect(again.logged).toContain('attention/linear has been timed on this machine before')
  expect(again.logged).toHaveLength(8)
})

test('another scenario is measured anew, a damaged measurement too', async () => {
  const other = await open({ target: { scenario: { ...scenario, generate: 3 } } })
  const [floor, attention] = await other.tasks('profile')
  await other.run('profile', floor!)
  expect(other.logged).toEqual([])

  const folder = join(machineState, 'profiles')
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), '{"cost')
  const again = await open()
  await again.run('profile', floor!)
  await again.run('profile', attention!)
  expect(again.logged).toEqual([])
})

/** A search with a table from a file. */
async function imported(costs: unknown, changes: JsonObject = {}): Promise<{ search: Search; file: string }> {
  const file = join(world.folder, 'costs.json')
  writeFileSync(file, typeof costs === 'string' ? costs : JSON.stringify(costs))
  const target = { scenario, profile: './costs.json' }
  return { file, search: await open({ target, ...changes }) }
}

test('a table measured elsewhere is taken as it is, and nothing is measured', async () => {
  const elsewhere = { ...table, fingerprint: { processor: 'another' } }
  const { search } = await imported(elsewhere)
  expect(await search.tasks('profile')).toEqual([])
  expect(await tableOf(search)).toEqual(elsewhere)
  expect((await search.outputs('profile')).values).toEqual({ measured: 'elsewhere' })
})

test('variants of an imported table that the space does not have are left out', async () => {
  const { search } = await imported(table, { space: { ...space, ffn: ['parent', { block: 'swiglu', width: [16] }] } })
  expect(Object.keys((await tableOf(search)).ffn).sort()).toEqual(['parent', 'swiglu-16'])
})

const without = (slot: 'attention' | 'ffn', name: string) => {
  const rest = Object.entries(table[slot]).filter(([other]) => other !== name)
  return { ...table, [slot]: Object.fromEntries(rest) }
}
const withCost = (cost: JsonObject) => ({ ...table, ffn: { ...table.ffn, parent: { ...table.ffn.parent, ...cost } } })
test.each([
  ['is not JSON', '{', /^(.*): is not JSON/],
  ['is no table', { hello: 1 }, /: is not a cost table$/],
  ['is null', 'null', /: is not a cost table$/],
  ['is of another version', { ...table, version: 2 }, /: is not a cost table$/],
  [
    'has another scenario',
    { ...table, scenario: { ...scenario, prefill: 5 } },
    /: was measured with prefill 5, not 4$/,
  ],
  ['lacks a variant', without('ffn', 'swiglu-16'), /: has no costs of ffn swiglu-16$/],
  ['lacks the parent', without('attention', 'parent'), /: has no costs of attention parent$/],
  [
    'has a negative time',
    withCost({ decodeSeconds: -1 }),
    /: ffn parent: decodeSeconds is -1, not a number of at least 0$/,
  ],
  ['lacks a number', withCost({ memoryBytes: null }), /: ffn parent: memoryBytes is null, not a number of at least 0$/],
  [
    'is of another model',
    withCost({ parameters: 2903 }),
    /: ffn parent has 2903 parameters in the table, but 2904 in this model$/,
  ],
])('an imported table that %s is refused with file and remedy', async (_, costs, message) => {
  const { search, file } = await imported(costs)
  const error: unknown = await search.outputs('profile').catch((e: unknown) => e)
  expect(error).toMatchObject({
    kind: 'InvalidInput',
    file,
    message: expect.stringMatching(message) as string,
    remedy: 'Export it with `npx puzzleflow profile RUN -o FILE` from a run with the same model, space and scenario.',
  })
  expect((error as Error).message.startsWith(file)).toBe(true)
})

test('a block that could not be timed well enough is timed again by the next search', async () => {
  const spec = { stages: { profile: { ...stages.profile, precision: 1e-9 }, prepare: {} } }
  // Nothing waits until the machine is quiet, which it may never be.
  mkdirSync(join(machineState, 'profiles'), { recursive: true })
  writeFileSync(join(machineState, 'profiles/waited-in-vain'), '')
  const busy = await open(spec)
  const [floor] = await busy.tasks('profile')
  const { values } = await busy.run('profile', floor!)
  expect(values).toMatchObject({ passes: 12, imprecise: true })
  expect(busy.logged[0]).toMatch(
    /^floor: measured to within [\d.]+ ms in 12 passes(?: while other programs used \d+ % of the processors)?, too imprecise to be kept beyond this store: searches in other stores will time it again$/,
  )
  const again = await open(spec)
  await again.run('profile', floor!)
  expect(again.logged[0]).toMatch(/^floor: measured to within/)
})

test('what was measured again for other programs, and what was lost in noise, is in the values', async () => {
  const tasks = await search.tasks('profile')
  const done = await Promise.all(tasks.map(async (plan) => ({ plan, outputs: await search.run('profile', plan) })))
  const changed = done.map(({ plan, outputs }) => {
    const change = {
      'attention/linear': { again: true, imprecise: true },
      // It took no longer than nothing does.
      'ffn/swiglu-16': { second: { prefillSeconds: 0, decodeSeconds: 0 }, error: 0.001, again: true },
    }[plan.id]
    return { plan, outputs: { ...outputs, values: { ...outputs.values, error: 1e-9, firstError: 1e-9, ...change } } }
  })
  expect((await search.gather('profile', changed)).values).toMatchObject({
    again: 2,
    imprecise: { count: 1, of: 8 },
    lost: ['ffn/swiglu-16'],
  })
  expect((await search.outputs('profile')).values).not.toHaveProperty('again')
})

test('where one token is generated, blocks are profiled and whole models correct their prefill', async () => {
  const one = await open({ target: { scenario: { ...scenario, generate: 1 } } })
  const costs = await tableOf(one)
  for (const { prefillSeconds, decodeSeconds } of [costs.floor, ...Object.values(costs.attention)]) {
    expect(Number.isFinite(prefillSeconds)).toBe(true)
    expect(decodeSeconds).toBe(0)
  }
  const { calibration } = (await one.outputs('profile')).values as unknown as { calibration: Calibration }
  expect(calibration.decode).toEqual({ parent: 1, others: 1 })
})

test('the values say how well the table predicts whole models', async () => {
  const { calibration } = (await search.outputs('profile')).values as unknown as { calibration: Calibration }
  expect(calibration.children).toBe(2)
  for (const { parent, others } of [calibration.prefill, calibration.decode])
    expect(parent > 0 && others > 0).toBe(true)
  const none = await open({ stages: { profile: { ...stages.profile, children: 0 }, prepare: {} } })
  expect((await none.outputs('profile')).values).not.toHaveProperty('calibration')
})
