import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Failure } from '../api/index.js'
import { cacheDirectory, packageRoot } from '../store/paths.js'

const run = promisify(execFile)

/** A program that can serve as a Temporal server. */
export interface ServerProgram {
  /** `cli` takes the arguments of `temporal server start-dev`, `embedded` those of our Go program. */
  readonly kind: 'cli' | 'embedded'
  readonly path: string
  /** Where it came from, for people. */
  readonly source: string
}

type Log = (line: string) => void

/**
 * Finds a server program: `temporal` on PATH, one downloaded or built before, the official download, our own Go program.
 * @throws Failure NoServer when none can be had
 */
export async function findProgram(log: Log): Promise<ServerProgram> {
  const present = await presentProgram()
  if (present) return present
  if (await download(downloadedProgram(), log))
    return { kind: 'cli', path: downloadedProgram(), source: 'the official server, downloaded' }
  return { kind: 'embedded', path: await build(log), source: 'the embedded server, built now' }
}

/** The server program that is here already. */
export async function presentProgram(): Promise<ServerProgram | undefined> {
  const onPath = findOnPath('temporal')
  if (onPath) return { kind: 'cli', path: onPath, source: `temporal on PATH (${onPath})` }
  const downloaded = downloadedProgram()
  if (existsSync(downloaded)) return { kind: 'cli', path: downloaded, source: 'the official server, downloaded before' }
  const built = await builtProgram()
  return existsSync(built) ? { kind: 'embedded', path: built, source: 'the embedded server, built before' } : undefined
}

const downloadedProgram = (): string => join(cacheDirectory(), 'temporal-cli', 'temporal')

function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Builds the Go program, and knows where it then is. Set-up runs it before there is any compiled code. */
const builder = (): string => join(packageRoot(), 'server', 'temporal-server', 'build.mjs')

async function builtProgram(): Promise<string> {
  const { builtProgram } = (await import(pathToFileURL(builder()).href)) as { readonly builtProgram: () => string }
  return builtProgram()
}

/** The download that Temporal's own test package performs: from the official host, into its folder. */
async function download(target: string, log: Log): Promise<boolean> {
  log('Temporal: looking for the official server …')
  const script = `
    import { TestWorkflowEnvironment } from '@temporalio/testing'
    const downloadDir = process.argv[1]
    const env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', downloadDir } } })
    await env.teardown()`
  const folder = join(cacheDirectory(), 'temporal-cli', 'download')
  mkdirSync(folder, { recursive: true })
  try {
    const options = { timeout: 90_000, cwd: packageRoot() }
    await run(process.execPath, ['--input-type=module', '-e', script, folder], options)
    const { stdout } = await run('find', [folder, '-type', 'f', '-name', 'temporal*'])
    const found = stdout.split('\n').find((line) => line !== '')
    if (found === undefined) return false
    renameSync(found, target)
    return true
  } catch {
    log('Temporal: the official server cannot be downloaded here.')
    return false
  }
}

/** What gives a machine a server that has none and can get none. */
export const noServerRemedy =
  'Install Go 1.26 or newer, or put the `temporal` program on PATH, or give the address of a server: --address HOST:PORT.'

/** Builds the Go program: minutes the first time. */
async function build(log: Log): Promise<string> {
  const remedy = noServerRemedy
  try {
    await run('go', ['version'])
  } catch {
    throw new Failure('NoServer', 'There is no Temporal server, and no Go to build one', { remedy })
  }
  log('Temporal: building the embedded server (once, about two and a half minutes on two cores) …')
  const begin = Date.now()
  const seconds = () => Math.round((Date.now() - begin) / 1000)
  const ticker = setInterval(() => log(`Temporal: still building, ${seconds()} s …`), 20_000)
  try {
    const { stdout } = await run(process.execPath, [builder()])
    log(`Temporal: built in ${seconds()} s.`)
    return stdout.trim()
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string }
    throw new Failure('NoServer', `The embedded server cannot be built:\n${stderr.trim()}`, { remedy })
  } finally {
    clearInterval(ticker)
  }
}
