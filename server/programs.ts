import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { Failure } from '../plugins/api/index.js'
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
  const onPath = findOnPath('temporal')
  if (onPath) return { kind: 'cli', path: onPath, source: `temporal on PATH (${onPath})` }
  const downloaded = join(cacheDirectory(), 'temporal-cli', 'temporal')
  if (existsSync(downloaded)) return { kind: 'cli', path: downloaded, source: 'the official server, downloaded before' }
  const built = builtProgram()
  if (existsSync(built)) return { kind: 'embedded', path: built, source: 'the embedded server, built before' }
  if (await download(downloaded, log))
    return { kind: 'cli', path: downloaded, source: 'the official server, downloaded' }
  return { kind: 'embedded', path: await build(built, log), source: 'the embedded server, built now' }
}

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

/** The Go program's place depends on its sources. */
function builtProgram(): string {
  const hash = createHash('sha256')
  for (const name of ['main.go', 'go.mod', 'go.sum']) hash.update(readFileSync(join(sources(), name)))
  return join(cacheDirectory(), 'temporal-server', hash.digest('hex').slice(0, 16), 'temporal-server')
}
const sources = (): string => join(packageRoot(), 'server', 'temporal-server')

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

/** Builds the Go program: minutes the first time. */
async function build(target: string, log: Log): Promise<string> {
  const remedy =
    'Install Go 1.26 or newer, or put the `temporal` program on PATH, or give the address of a server: --address HOST:PORT.'
  try {
    await run('go', ['version'])
  } catch {
    throw new Failure('NoServer', 'There is no Temporal server, and no Go to build one', { remedy })
  }
  log('Temporal: building the embedded server (once, about four minutes on two cores) …')
  const begin = Date.now()
  const ticker = setInterval(
    () => log(`Temporal: still building, ${Math.round((Date.now() - begin) / 1000)} s …`),
    20_000,
  )
  const temporary = `${target}.${process.pid}.tmp`
  mkdirSync(join(target, '..'), { recursive: true })
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', temporary, '.'], {
        cwd: sources(),
        env: { ...process.env, CGO_ENABLED: '0' },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let output = ''
      child.stderr.on('data', (data: Buffer) => (output = (output + data.toString()).slice(-4000)))
      child.on('error', reject)
      child.on('exit', (code) =>
        code === 0
          ? resolve()
          : reject(new Failure('NoServer', `The embedded server cannot be built:\n${output}`, { remedy })),
      )
    })
    renameSync(temporary, target)
  } finally {
    clearInterval(ticker)
  }
  log(`Temporal: built in ${Math.round((Date.now() - begin) / 1000)} s.`)
  return target
}
