import { Connection } from '@temporalio/client'
import Long from 'long'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lock } from 'proper-lockfile'
import { Failure } from '../plugins/api/index.js'
import { stateDirectory } from '../store/paths.js'
import { freePort } from './ports.js'
import { findProgram, type ServerProgram } from './programs.js'

/** A server that can be used. */
export interface ServerInfo {
  readonly address: string
  /** Of the web UI, where it is known. */
  readonly uiAddress?: string
  /** Where it came from, for people. */
  readonly source: string
  /** Of a server that puzzleflow started. */
  readonly pid?: number
}

/** Search attributes of every search, beside those of Temporal. */
export const searchAttributes = {
  PuzzleModel: 'keyword',
  PuzzleSpec: 'keyword',
  PuzzleStage: 'keyword',
  PuzzleProgress: 'double',
} as const

/** Numbers of Temporal's IndexedValueType. */
const indexedValueType = { keyword: 2, double: 4 } as const

const folder = () => join(stateDirectory(), 'server')
const stateFile = () => join(folder(), 'server.json')
const tenYears = 10 * 365 * 86_400

/**
 * A Temporal server: the one at the address given, ours that runs already, or one started now, detached, on loopback.
 * @throws Failure NoServer
 */
export async function ensureServer(options: {
  readonly address?: string | undefined
  readonly log: (line: string) => void
}): Promise<ServerInfo> {
  if (options.address !== undefined) {
    if (!(await answers(options.address)))
      throw new Failure('NoServer', `No Temporal server answers at ${options.address}`, {
        remedy: 'Start it, or leave the address out: puzzleflow then starts a server of its own.',
      })
    await setUp(options.address)
    return { address: options.address, source: 'the address you gave' }
  }
  const running = await serverStatus()
  if (running) return running
  mkdirSync(folder(), { recursive: true })
  const release = await lock(folder(), { stale: 60_000, retries: { retries: 600, factor: 1, minTimeout: 1000 } })
  try {
    return (await serverStatus()) ?? (await start(options.log))
  } finally {
    await release()
  }
}

/** Our server, if it runs and answers. */
export async function serverStatus(): Promise<ServerInfo | undefined> {
  if (!existsSync(stateFile())) return undefined
  let info: ServerInfo
  try {
    info = JSON.parse(readFileSync(stateFile(), 'utf8')) as ServerInfo
  } catch {
    return undefined
  }
  return isAlive(info.pid) && (await answers(info.address)) ? { ...info, source: 'already running' } : undefined
}

/** Ends our server. @returns whether one ran */
export async function stopServer(): Promise<boolean> {
  const info = await serverStatus()
  if (info?.pid === undefined) return false
  process.kill(info.pid, 'SIGTERM')
  for (let i = 0; i < 100 && isAlive(info.pid); i++) await sleep(100)
  if (isAlive(info.pid)) process.kill(info.pid, 'SIGKILL')
  rmSync(stateFile(), { force: true })
  return true
}

async function start(log: (line: string) => void): Promise<ServerInfo> {
  const program = await findProgram(log)
  const [port, uiPort] = [await freePort(7233), await freePort(8233)]
  const logFile = join(folder(), 'server.log')
  const output = openSync(logFile, 'a')
  const child = spawn(program.path, serverArguments(program, port, uiPort), {
    detached: true,
    stdio: ['ignore', output, output],
  })
  let failed: Error | undefined
  child.on('error', (error) => (failed = error))
  child.unref()
  const address = `127.0.0.1:${port}`
  for (let i = 0; ; i++) {
    if (await answers(address)) break
    if (failed || child.exitCode !== null || i > 150)
      throw new Failure('NoServer', `The Temporal server (${program.source}) did not start: see ${logFile}`, {
        remedy: 'Give the address of another server: --address HOST:PORT.',
        cause: failed,
      })
    await sleep(200)
  }
  await setUp(address)
  const info: ServerInfo = {
    address,
    uiAddress: `http://127.0.0.1:${uiPort}`,
    source: program.source,
    ...(child.pid === undefined ? {} : { pid: child.pid }),
  }
  writeFileSync(`${stateFile()}.tmp`, JSON.stringify(info))
  renameSync(`${stateFile()}.tmp`, stateFile())
  const other = port === 7233 && uiPort === 8233 ? '' : ' (the usual ports are taken)'
  log(`Temporal: ${program.source}, at ${address}, UI at ${info.uiAddress}${other}`)
  return info
}

function serverArguments({ kind }: ServerProgram, port: number, uiPort: number): string[] {
  const file = join(folder(), `${kind}.sqlite`)
  const pairs = Object.entries(searchAttributes).map(([name, type]) => `${name}=${type}`)
  if (kind === 'embedded')
    return ['--db', file, '--port', `${port}`, '--ui-port', `${uiPort}`, '--attributes', pairs.join(',')]
  const attributes = pairs.flatMap((pair) => ['--search-attribute', pair.replace(/=./, (c) => c.toUpperCase())])
  const ports = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`]
  return ['server', 'start-dev', '--db-filename', file, '--log-level', 'warn', ...ports, ...attributes]
}

/** Whether a server answers, and knows its default namespace. */
async function answers(address: string): Promise<boolean> {
  let connection: Connection | undefined
  try {
    connection = await Connection.connect({ address, connectTimeout: 1500 })
    await connection.workflowService.describeNamespace({ namespace: 'default' })
    return true
  } catch {
    return false
  } finally {
    await connection?.close()
  }
}

/** Long retention and our search attributes, where they are missing and may be set. */
async function setUp(address: string): Promise<void> {
  const connection = await Connection.connect({ address })
  try {
    const namespace = 'default'
    const { config } = await connection.workflowService.describeNamespace({ namespace })
    if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) < 30 * 86_400)
      await connection.workflowService
        .updateNamespace({
          namespace,
          config: { workflowExecutionRetentionTtl: { seconds: Long.fromNumber(tenYears) } },
        })
        .catch(() => undefined)
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
    const missing = Object.entries(searchAttributes).filter(([name]) => !(name in (customAttributes ?? {})))
    if (missing.length > 0)
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, indexedValueType[type]])),
      })
  } finally {
    await connection.close()
  }
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
