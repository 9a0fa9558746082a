import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stateDirectory } from '../store/paths.js'
import { commandLine, findProcess } from './processes.js'

/** A server that can be used. */
export interface ServerInfo {
  /** `HOST:PORT` */
  readonly address: string
  /** URL of the web UI, if known. */
  readonly uiAddress?: string
  /** Where the server came from, for people. */
  readonly source: string
  /** Process id of a server that puzzleflow started. */
  readonly pid?: number
}

export const alreadyRunning = 'already running'
/** Folder of the server that puzzleflow starts. */
export const folder = (): string => join(stateDirectory(), 'server')
/** File that describes the server started last. */
export const stateFile = (): string => join(folder(), 'server.json')

/** Our server's process, whether it answers or not: the one that serves our database. A number in a file proves nothing, and
 *  where it listens is what it was started with, not what a file says. */
export function ourServer(): ServerInfo | undefined {
  const pid = lastServer()?.pid
  const ours = (command: string) => isOurs(command) && existsSync(databaseOf(command))
  const command = pid === undefined ? '' : commandLine(pid)
  // Whoever started it may have been killed before it could write the file.
  const found = pid !== undefined && ours(command) ? { pid, command } : findProcess(ours)
  const [, port, uiPort] = ports.exec(found?.command ?? '') ?? []
  if (!found || port === undefined) return undefined
  const [address, uiAddress] = [`127.0.0.1:${port}`, `http://127.0.0.1:${uiPort}`]
  return { address, uiAddress, source: alreadyRunning, pid: found.pid }
}

/** Whether a command line is that of our server. */
export const isOurs = (command: string): boolean => dirname(databaseOf(command)) === folder() && ports.test(command)
/** The database that a command line names. */
export const databaseOf = (command: string): string => / --db(?:-filename)? ([^]*?\.sqlite) --/.exec(command)?.[1] ?? ''

/** Of the command line that `serverArguments` (server.ts) makes. */
const ports = / --port (\d+) --ui-port (\d+)/

/** The server started last, from its state file; undefined if the file is absent or damaged. */
export function lastServer(): ServerInfo | undefined {
  try {
    const info = JSON.parse(readFileSync(stateFile(), 'utf8')) as Partial<ServerInfo> | null
    return typeof info?.address === 'string' ? (info as ServerInfo) : undefined
  } catch {
    return undefined
  }
}
