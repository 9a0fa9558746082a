import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { collectGarbage, type Garbage, type GarbageOptions } from '../../lineage/garbage.js'
import type { KnownRun } from '../../lineage/inventory.js'
import { Failure } from '../../api/index.js'
import { FileStore } from '../../store/index.js'
import { hostHere } from './host-here.js'
import { doRun, type RunOptions } from './plan-run.js'
import { loadPlugins } from './tiny-stages.js'
import { temporaryFolder } from '../temporary-folder.js'

const hour = 60 * 60_000
let store: FileStore
beforeEach(() => {
  store = new FileStore(join(temporaryFolder('garbage'), 'store'))
})

const run = (options: RunOptions = {}) => doRun(store, hostHere(store), options)
const typesOf = async () => loadPlugins()
/** As where a plugin is not installed any more. */
const unknownTypes = async () => ({
  ...loadPlugins(),
  stage: () => {
    throw new Failure('InvalidInput', 'There is no stage type "numbers"')
  },
})
const runOf = async (name: string) => (await store.getDocument(`runs/${name}`)) as KnownRun

/** Makes all in the store as old as a day. */
function age(): void {
  const dayAgo = new Date(Date.now() - 24 * hour)
  for (const name of readdirSync(store.root, { recursive: true }) as string[])
    utimesSync(join(store.root, name), dayAgo, dayAgo)
}

const collect = (options: Partial<GarbageOptions> = {}): Promise<Garbage> =>
  collectGarbage(store, typesOf, {
    kept: [],
    running: [],
    unusedSince: Date.now() - hour,
    apply: true,
    ...options,
  })

const kinds = (garbage: Garbage) => Object.fromEntries(garbage.removed.map(({ kind, count }) => [kind, count]))

test('it tells what no run needs, and removes nothing unless it is told to', async () => {
  await run()
  age()
  const told = await collect({ apply: false })
  expect(kinds(told)).toMatchObject({ record: 7, weights: 2, tasks: 2, unknown: 1 })
  expect((await run()).done).toEqual([])
})

test('what a finished run needs stays, and what only another needed goes', async () => {
  await run({ run: 'kept', numbers: [2, 3] })
  await run({ run: 'other', numbers: [2, 3, 4], seed: 2 })
  age()
  const garbage = await collect({ kept: [await runOf('kept')] })
  // The weights of 2 and 3 are the same whatever the seed.
  expect(kinds(garbage)).toMatchObject({ record: 8, weights: 1 })
  expect((await run({ run: 'kept', numbers: [2, 3] })).done).toEqual([])
  const again = await run({ run: 'other', numbers: [2, 3, 4], seed: 2 })
  expect(again.done).toEqual(['numbers', 'square-2', 'square-3', 'square-4'])
})

test('what a finished run needs is known without the code that it was made with', async () => {
  await run()
  age()
  const options = { kept: [await runOf('squares')], running: [], unusedSince: Date.now() - hour, apply: true }
  const garbage = await collectGarbage(store, unknownTypes, options)
  expect(garbage.removed).toEqual([])
})

test('what a run that goes on will find stays: lists of tasks, done tasks, checkpoints', async () => {
  await doRun(store, hostHere(store, 'square-3'))
  age()
  const own = await runOf('squares')
  expect(own.outputs).toBeUndefined()
  const garbage = await collect({ kept: [own], running: [own] })
  expect(garbage.removed).toEqual([])
  const after = await run()
  expect(after.done).toEqual(['square-3'])
})

test('what was stored since a run began stays though no record refers to it yet, however long the run takes', async () => {
  await run({ until: 'numbers' })
  age()
  const own = { ...(await runOf('squares')), startedAt: new Date(Date.now() - 48 * hour).toISOString() }
  const ref = await store.putBytes('states', Buffer.from('of a task that is still at work'))
  age()
  expect((await collect({ kept: [own], running: [own] })).removed).toEqual([])
  expect(await store.has(ref)).toBe(true)
  await collect({ kept: [own] })
  expect(await store.has(ref)).toBe(false)
})

test('what was written or used lately stays', async () => {
  await run()
  const records = []
  for await (const { digest } of store.records()) records.push(digest)
  age()
  const used = records[0]!
  await store.useRecord(used)
  const fresh = await store.putBytes('text', Buffer.from('new'))
  await collect()
  expect(await store.getRecord(used)).toBeDefined()
  expect(await store.has(fresh)).toBe(true)
  for (const key of records.slice(1)) expect(await store.getRecord(key)).toBeUndefined()
  for (const ref of Object.values((await store.getRecord(used))!.outputs.files)) expect(await store.has(ref)).toBe(true)
})

test('what killed processes have left goes', async () => {
  mkdirSync(join(await store.scratch(), 'task-of-the-dead'))
  writeFileSync(join(await store.scratch(), 'task-of-the-dead', 'half'), 'ha')
  writeFileSync(join(await store.scratch(), '1.abc.tmp'), 'half')
  age()
  expect(kinds(await collect())).toEqual({ temporary: 2 })
  expect(readdirSync(join(store.root, 'scratch'))).toEqual([])
})

test('a run in progress whose stages are not known here is no reason to remove its results', async () => {
  await run({ until: 'numbers' })
  age()
  const options = { kept: [await runOf('squares')], running: [], unusedSince: Date.now(), apply: true }
  await expect(collectGarbage(store, unknownTypes, options)).rejects.toThrow(
    'Cannot determine what the run "squares" needs',
  )
  expect((await run()).done).toEqual(['square-2', 'square-3'])
})

test.each(['scratch', 'checkpoints', 'artifacts', 'records'])(
  'what lies behind a link in place of %s is not removed',
  async (room) => {
    await run()
    const elsewhere = temporaryFolder('elsewhere')
    mkdirSync(join(elsewhere, 'aa'))
    const file = join(elsewhere, 'aa', 'a'.repeat(64))
    writeFileSync(file, 'of somebody')
    const dayAgo = new Date(Date.now() - 24 * hour)
    for (const path of [file, join(elsewhere, 'aa')]) utimesSync(path, dayAgo, dayAgo)
    if (existsSync(join(store.root, room))) renameSync(join(store.root, room), join(store.root, `${room}.moved`))
    symlinkSync(elsewhere, join(store.root, room))
    await expect(collect()).rejects.toThrow(`${join(store.root, room)} is a symbolic link, which is not followed`)
    expect(existsSync(file)).toBe(true)
  },
)

test('of a leftover that is a link, the link is removed and nothing behind it', async () => {
  await run()
  const elsewhere = temporaryFolder('elsewhere')
  writeFileSync(join(elsewhere, 'kept'), '')
  mkdirSync(join(store.root, 'scratch'), { recursive: true })
  symlinkSync(elsewhere, join(store.root, 'scratch', 'link'))
  await collect({ unusedSince: Date.now() + hour })
  expect(existsSync(join(store.root, 'scratch', 'link'))).toBe(false)
  expect(existsSync(join(elsewhere, 'kept'))).toBe(true)
})
