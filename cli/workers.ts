import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check, lock } from 'proper-lockfile'
import { buildId } from '../activities/build-id.js'
import { Failure } from '../api/index.js'
import { commandLine, endProcess, look } from '../server/index.js'
import { openLog } from '../store/log-file.js'
import type { Store } from '../store/index.js'
import { makePrivateFolder } from '../store/private-files.js'
import { log } from './output.js'

/** The worker of a store, as it describes itself in the store. */
interface WorkerState {
  readonly pid: number
  readonly host: string
  /** Of the server whose searches it does. */
  readonly address: string
  /** Of the variables that it began with. */
  readonly environment?: string
  /** A command started it, and it ends by itself. */
  readonly detached?: boolean
}

/** A digest of the environment variables that matter to tasks: they choose llama.cpp, store, keys and caches. */
const environment = (): string =>
  createHash('sha256')
    .update(
      JSON.stringify(
        Object.entries(process.env)
          .filter(([name]) => /^(PUZZLEFLOW|AWS)_/.test(name))
          .sort(),
      ),
    )
    .digest('hex')
    .slice(0, 12)

// Workers of different versions serve different searches; on a shared folder, each machine has its own.
const place = (store: Store) => join(store.root, `worker-${buildId()}-${hostname()}`)
const lockFile = (store: Store) => `${place(store)}.lock`
const stateFile = (store: Store) => `${place(store)}.json`
const lockOptions = (store: Store) => ({ realpath: false, lockfilePath: lockFile(store), stale: 10_000 })

/** Holds the place of the store's worker on this machine. @returns undefined when another process does */
export async function claimWorker(
  store: Store,
  address: string,
  detached = false,
): Promise<(() => Promise<void>) | undefined> {
  makePrivateFolder(store.root)
  await workerOf(store) // gives up the place of a dead one
  let release
  try {
    release = await lock(store.root, { ...lockOptions(store), update: 2000 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined
    throw error
  }
  const state: WorkerState = { pid: process.pid, host: hostname(), address, environment: environment(), detached }
  writeFileSync(`${stateFile(store)}.tmp`, JSON.stringify(state))
  renameSync(`${stateFile(store)}.tmp`, stateFile(store))
  return release
}

/** The process that holds the place of the store's worker; a process that was killed here loses the place immediately. */
async function workerOf(store: Store): Promise<WorkerState | 'unknown' | undefined> {
  if (!(await check(store.root, lockOptions(store)).catch(() => false))) return undefined
  let state: WorkerState
  try {
    state = JSON.parse(readFileSync(stateFile(store), 'utf8')) as WorkerState
    // It has taken the place and not yet written who it is: the file is its predecessor's.
    if (statSync(lockFile(store)).birthtimeMs > statSync(stateFile(store)).mtimeMs) return 'unknown'
  } catch {
    return 'unknown'
  }
  if (state.host !== hostname() || commandLine(state.pid) !== '') return state
  rmSync(lockFile(store), { recursive: true, force: true })
  return undefined
}

/**
 * Ends the store's worker here if it started with other variables than this process, so that a new one gets these. Only a
 * worker that an earlier command left, and that no search needs, ends; for any other, logs that it keeps its variables.
 */
export async function endOutdatedWorker(store: Store, searchesRun: () => Promise<boolean>): Promise<void> {
  const found = await workerOf(store)
  if (found === undefined || found === 'unknown' || found.host !== hostname()) return
  if (found.environment === environment()) return
  if (found.detached && !(await searchesRun())) return endProcess(found.pid, 30_000)
  log(
    `The worker (process ${found.pid}) started with different PUZZLEFLOW_ or AWS_ variables from this command’s, and keeps them.`,
  )
}

/** Checks that the store's worker, if it has one, serves it for this server, or for one that is gone.
 *  @throws Failure NoServer when it serves the store for another server */
export async function checkWorker(store: Store, address: string): Promise<'serves' | 'none' | WorkerState> {
  const found = await workerOf(store)
  if (found === undefined) return 'none'
  if (found === 'unknown' || found.address === address) return 'serves'
  const isGone = async () => ['closed', 'silent'].includes((await look(found.address, 5000)).state)
  if (found.host === hostname() && (await isGone())) return found
  throw new Failure(
    'NoServer',
    `A worker serves the store ${store.location} for the server at ${found.address} (process ${found.pid} on ${found.host})`,
    { remedy: `Give --address ${found.address}, end that worker, or choose another store with --store.` },
  )
}

/** Starts a detached worker unless one serves the store. @throws Failure NoServer when it serves the store for another server */
export async function ensureWorker(store: Store, address: string): Promise<void> {
  const found = await checkWorker(store, address)
  if (found === 'serves') return
  if (found !== 'none') {
    log(`The worker ${found.pid} is waiting for a server that is gone: replacing the worker.`)
    await endProcess(found.pid, 30_000)
  }
  const logs = join(store.root, 'logs')
  makePrivateFolder(store.root)
  mkdirSync(logs, { recursive: true })
  const output = openLog(join(logs, 'worker.log'))
  const program = fileURLToPath(new URL('./main.js', import.meta.url))
  const child = spawn(
    process.execPath,
    [program, 'worker', '--store', store.location, '--address', address, '--idle', '60', '--unless-served'],
    { detached: true, stdio: ['ignore', output, output] },
  )
  closeSync(output)
  child.on('error', (error) => log(`The worker cannot be started: ${error.message}`))
  child.unref()
}
