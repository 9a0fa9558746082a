import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lock } from 'proper-lockfile'
import { Failure } from '../api/index.js'
import { openLog } from '../store/log-file.js'
import { stateDirectory } from '../store/paths.js'
import { closeFolder, privately } from '../store/private-files.js'
import { payloadConverter } from './codec.js'
import { answers, reach, searchAttributes, setUp } from './namespace.js'
import { alreadyRunning, databaseOf, folder, isOurs, lastServer, ourServer, stateFile, type ServerInfo } from './own.js'
import { freePort } from './ports.js'
import { knock, look } from './health.js'
import { endProcess, findProcess, pause, sharesNetwork } from './processes.js'
import { findProgram, type ServerProgram } from './programs.js'

const logFile = () => join(folder(), 'server.log')
/** Milliseconds that a server may take to answer. */
const patience = 60_000

/**
 * A Temporal server: the one at the address given, ours that runs already, or one started now, detached, on loopback.
 * @throws Failure NoServer
 */
export async function ensureServer(options: {
  readonly address?: string | undefined
  readonly log: (line: string) => void
}): Promise<ServerInfo> {
  // A key that cannot be read: before anything is started.
  payloadConverter()
  if (options.address !== undefined) {
    await reach(options.address, 3000)
    await setUp(options.address)
    return { address: options.address, source: 'the address you gave' }
  }
  const running = await serverStatus()
  if (running) {
    // It may be an older version's.
    await setUp(running.address)
    return running
  }
  // The XDG specification asks for this, of the folder around ours too.
  mkdirSync(folder(), { recursive: true, mode: 0o700 })
  // Versions before this one left them open.
  for (const open of [stateDirectory(), folder()]) closeFolder(open)
  const release = await lock(folder(), { stale: 15_000, retries: { retries: 1200, factor: 1, minTimeout: 500 } })
  try {
    const found = await serverStatus()
    if (found) return found
    await endLostServer(options.log)
    return await start(options.log)
  } finally {
    await release()
  }
}

/** Our server, if it runs and answers. */
export async function serverStatus(): Promise<ServerInfo | undefined> {
  const info = ourServer()
  return info && (await answers(info.address)) ? info : undefined
}

/** Ends our server. @returns whether one ran */
export async function stopServer(): Promise<boolean> {
  const pid = ourServer()?.pid
  if (pid === undefined) return false
  await endProcess(pid)
  return true
}

/** Ends a server whose database is gone: somebody removed the state directory, so it can no longer write. */
async function endLostServer(log: (line: string) => void): Promise<void> {
  const lost = findProcess((command) => isOurs(command) && !existsSync(databaseOf(command)))
  if (!lost) return
  log(`Temporal: the database of the running server (process ${lost.pid}) was removed: starting a new one.`)
  await endProcess(lost.pid)
}

/** Ends our server where a direct look shows that it hangs. @returns false where it answers after all
 *  @throws Failure NoServer where it answers but cannot be used, or cannot be looked at: then it stays */
async function endHanging({ address, pid }: ServerInfo): Promise<boolean> {
  const { state, why } = sharesNetwork(pid!) ? await look(address) : { state: 'unknown', why: 'it has its own network' }
  if (state === 'serves') {
    await reach(address)
    return false
  }
  if (state === 'unknown')
    throw new Failure(
      'NoServer',
      `Our Temporal server (process ${pid}, at ${address}) cannot be seen from here: ${why}`,
      {
        remedy: 'Run this where the server was started, or give the address of another: --address HOST:PORT.',
      },
    )
  if (ourServer()?.pid === pid) await endProcess(pid!)
  return true
}

/** Ends a server that was started for a command that then came to nothing. */
export async function undoStart({ pid, source }: ServerInfo): Promise<void> {
  if (pid !== undefined && source !== alreadyRunning && ourServer()?.pid === pid) await endProcess(pid)
}

/** Milliseconds until ports of a server that was killed are free again, if they ever are. */
const portPatience = 2000

async function start(log: (line: string) => void): Promise<ServerInfo> {
  const silent = ourServer()
  if (silent) {
    // It is starting, or very busy. One that hangs would hold the database.
    for (const end = Date.now() + patience; Date.now() < end; await pause(200))
      if (await answers(silent.address)) return silent
    if (!(await endHanging(silent))) return silent
  }
  const before = silent ?? lastServer()
  const program = await findProgram(log)
  refuseOddFolder(program)
  // Where it was before, workers and browsers find it again.
  const wanted = { port: portOf(before?.address) ?? 7233, ui: portOf(before?.uiAddress) ?? 8233 }
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(wanted.port, before ? portPatience : 0)
    const uiPort = await freePort(wanted.ui, before ? portPatience : 0)
    const started = await launch(program, port, uiPort)
    // Somebody may have taken a port since it was free.
    if (started === 'ended' && attempt < 3) continue
    if (typeof started === 'string')
      throw new Failure('NoServer', `The Temporal server (${program.source}) did not start: see ${logFile()}`, {
        remedy: 'Give the address of another server: --address HOST:PORT.',
      })
    const address = `127.0.0.1:${port}`
    await setUp(address)
    const info: ServerInfo = { address, uiAddress: `http://127.0.0.1:${uiPort}`, source: program.source, pid: started }
    writeFileSync(`${stateFile()}.tmp`, JSON.stringify(info), { mode: 0o600 })
    renameSync(`${stateFile()}.tmp`, stateFile())
    const usual = port === wanted.port && uiPort === wanted.ui
    log(
      `Temporal: ${program.source}, at ${address}, UI at ${info.uiAddress}${usual ? '' : ' (the usual ports are taken)'}`,
    )
    return info
  }
}

/** The official server takes these characters of its database's path for something else, and would write elsewhere.
 *  @throws Failure NoServer */
export function refuseOddFolder({ kind, source }: ServerProgram): void {
  const odd = kind === 'cli' ? /[#%?]/.exec(folder())?.[0] : undefined
  if (odd !== undefined)
    throw new Failure(
      'NoServer',
      `The folder ${folder()} has a "${odd}" in its path, which ${source} does not accept`,
      {
        remedy: 'Set XDG_STATE_HOME to another folder, or give the address of a server: --address HOST:PORT.',
      },
    )
}

const portOf = (address: string | undefined): number | undefined =>
  Number(/:(\d+)$/.exec(address ?? '')?.[1]) || undefined

/** Starts a program, detached. @returns its process id when it and its UI answer: the UI begins to listen after the server */
async function launch(program: ServerProgram, port: number, uiPort: number): Promise<number | 'ended' | 'silent'> {
  const output = openLog(logFile(), 0o600)
  const child = privately(() =>
    spawn(program.path, serverArguments(program, port, uiPort), {
      detached: true,
      stdio: ['ignore', output, output],
      // It would ask its makers for newer versions, and tell its own.
      env: { ...process.env, TEMPORAL_VERSION_CHECK_DISABLED: '1' },
    }),
  )
  closeSync(output)
  let over = false
  child.on('error', () => (over = true)).on('exit', () => (over = true))
  child.unref()
  for (const end = Date.now() + patience; !over && Date.now() < end; await pause(100))
    if ((await answers(`127.0.0.1:${port}`)) && (await knock(`127.0.0.1:${uiPort}`, portPatience)).state === 'serves') {
      // Another server may answer there, and ours be about to give up.
      await pause(100)
      if (!over && child.pid !== undefined) return child.pid
    }
  if (over || child.pid === undefined) return 'ended'
  const hangs = await endHanging({ address: `127.0.0.1:${port}`, pid: child.pid, source: program.source })
  return hangs ? 'silent' : child.pid
}

function serverArguments({ kind }: ServerProgram, port: number, uiPort: number): string[] {
  const file = join(folder(), `${kind}.sqlite`)
  const pairs = Object.entries(searchAttributes).map(([name, type]) => `${name}=${type}`)
  if (kind === 'embedded')
    return ['--db', file, '--port', `${port}`, '--ui-port', `${uiPort}`, '--attributes', pairs.join(',')]
  const attributes = pairs.flatMap((pair) => ['--search-attribute', pair.replace(/=./, (c) => c.toUpperCase())])
  const ports = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`]
  // As in temporal-server/main.go.
  const values = ['matching.enableFairness=true', 'matching.numTaskqueueWritePartitions=1']
  const fair = values.flatMap((value) => ['--dynamic-config-value', value])
  return ['server', 'start-dev', '--db-filename', file, '--log-level', 'warn', ...ports, ...fair, ...attributes]
}
