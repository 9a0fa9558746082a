import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { buildId } from '../../activities/build-id.js'
import { claimWorker, endOutdatedWorker, ensureWorker } from '../../cli/workers.js'
import { FileStore } from '../../store/index.js'
import { serverTimeout, testServer } from '../temporal.js'

let store: FileStore
beforeEach(() => void (store = new FileStore(mkdtempSync(join(tmpdir(), 'puzzleflow-workers-')))))
afterEach(() => rmSync(store.root, { recursive: true, force: true }))

const address = '127.0.0.1:7233'
/** The place of the store's worker as a process holds it that cannot tidy up any more. */
function leftBy(pid: number, at = address, host = hostname(), more = {}): void {
  const place = join(store.root, `worker-${buildId()}-${host}`)
  mkdirSync(`${place}.lock`)
  writeFileSync(`${place}.json`, JSON.stringify({ pid, host, address: at, ...more }))
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
      message: `A worker serves the store ${store.root} for the server at ${other} (process ${process.pid} on ${hostname()})`,
      remedy: `Give --address ${other}, end that worker, or choose another store with --store.`,
    })
    expect(started()).toBe(false)
  },
  serverTimeout,
)

test('a worker that began with other variables is ended when nothing runs, so that a new one has those of the command', async () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const ended = new Promise((resolve) => other.once('exit', (_, signal) => resolve(signal)))
  leftBy(other.pid!, address, hostname(), { environment: 'of others', detached: true })
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await endOutdatedWorker(store, () => Promise.resolve(true))
  expect(said.mock.calls.join()).toContain(
    `The worker (process ${other.pid}) started with different PUZZLEFLOW_ or AWS_`,
  )
  said.mockRestore()
  expect(other.exitCode).toBeNull()
  await endOutdatedWorker(store, () => Promise.resolve(false))
  expect(await ended).toBe('SIGTERM')
})

test('a worker that the user started is kept whatever its variables are, and one with the same variables is not spoken of', async () => {
  vi.stubEnv('PUZZLEFLOW_LLAMA_CPP', 'here')
  const leave = await claimWorker(store, address)
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await endOutdatedWorker(store, () => Promise.resolve(false))
  expect(said).not.toHaveBeenCalled()
  vi.stubEnv('PUZZLEFLOW_LLAMA_CPP', 'there')
  await endOutdatedWorker(store, () => Promise.resolve(false))
  expect(said.mock.calls.join()).toContain(`The worker (process ${process.pid})`)
  said.mockRestore()
  vi.unstubAllEnvs()
  await leave!()
})
