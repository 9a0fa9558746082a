import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildId } from '../../activities/build-id.js'
import { claimWorker, ensureWorker } from '../../cli/workers.js'
import { FileStore } from '../../store/index.js'
import { serverTimeout, testServer } from '../temporal.js'

let store: FileStore
beforeEach(() => void (store = new FileStore(mkdtempSync(join(tmpdir(), 'puzzleflow-workers-')))))
afterEach(() => rmSync(store.root, { recursive: true, force: true }))

const address = '127.0.0.1:7233'
/** The place of the store's worker as a process holds it that cannot tidy up any more. */
function leftBy(pid: number, at = address, host = hostname()): void {
  const place = join(store.root, `worker-${buildId()}-${host}`)
  mkdirSync(`${place}.lock`)
  writeFileSync(`${place}.json`, JSON.stringify({ pid, host, address: at }))
}
const started = () => existsSync(join(store.root, 'logs'))

test('a store has one worker at a time', async () => {
  const leave = await claimWorker(store, address)
  expect(await claimWorker(store, address)).toBeUndefined()
  await ensureWorker(store, address)
  expect(started()).toBe(false)
  await leave!()
  const again = await claimWorker(store, address)
  expect(again).toBeDefined()
  await again!()
})

test('a worker of another machine that shares the folder does not keep one of this machine away', async () => {
  leftBy(process.pid, '192.0.2.1:7233', 'another-machine')
  const leave = await claimWorker(store, address)
  expect(leave).toBeDefined()
  await leave!()
})

test('the place of a worker that was killed is free at once', async () => {
  leftBy(2 ** 22 + 1) // larger than any process id
  const leave = await claimWorker(store, address)
  expect(leave).toBeDefined()
  await leave!()
  expect(readdirSync(store.root).filter((name) => name.endsWith('.lock'))).toEqual([])
})

test(
  'a store whose worker does the searches of another server is refused, naming the worker',
  async () => {
    const { address: other } = await testServer()
    leftBy(process.pid, other)
    await expect(ensureWorker(store, address)).rejects.toMatchObject({
      kind: 'NoServer',
      message: `The store ${store.root} is served for the server at ${other} (worker: process ${process.pid} on ${hostname()})`,
      remedy: `Give --address ${other}, end that worker, or choose another store with --store.`,
    })
    expect(started()).toBe(false)
  },
  serverTimeout,
)
