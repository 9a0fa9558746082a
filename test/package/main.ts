/**
 * `npm run try-package`: packs a clean clone, installs the package as a user does who has an empty home, and runs the
 * quickstart's search there to its verdict. Only downloads of npm and Go count as made before. Prints how long each step took.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Place } from '../cli/puzzleflow.js'
import { installPackage, pack, writeClone, type Run } from './install.js'

const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-package-'))
const [home, clone, project] = ['home', 'clone', 'project'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
]
mkdirSync(home)
const place = new Place(project, join(folder, 'state'))

/** Asks a tool where it keeps something. */
const ask = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' }).trim()
const own = Object.entries(process.env).filter(([name]) => !/^(XDG|PUZZLEFLOW|TEMPORAL)_/.test(name))
const environment = {
  ...Object.fromEntries(own),
  XDG_STATE_HOME: join(folder, 'state'),
  PUZZLEFLOW_STORE: place.store,
  HOME: home,
  npm_config_cache: ask('npm', 'config', 'get', 'cache'),
  npm_config_userconfig: ask('npm', 'config', 'get', 'userconfig'),
  ...goDownloads(),
}

/** Where Go keeps its settings and what it has downloaded; nothing if there is no Go. */
function goDownloads() {
  try {
    return { GOENV: ask('go', 'env', 'GOENV'), GOMODCACHE: ask('go', 'env', 'GOMODCACHE') }
  } catch {
    return {}
  }
}

const run: Run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const puzzleflow = (...args: string[]) =>
  spawnSync('node_modules/.bin/puzzleflow', args, { cwd: project, env: environment, stdio: 'inherit' }).status ?? 130

/** Does a step and prints how long it took. */
function step<T>(what: string, work: () => T): T {
  const start = performance.now()
  const result = work()
  console.log(`${what}: ${((performance.now() - start) / 1000).toFixed(0)} s`)
  return result
}

try {
  step('clone written', () => writeClone(run, clone))
  const tarball = step('clone set up, compiled and packed', () => pack(run, clone, folder))
  step('package installed', () => installPackage(run, tarball, project))
  const code = step('quickstart searched', () => puzzleflow('run', 'quickstart/search.yaml'))
  puzzleflow('result', 'quickstart')
  console.log(`exit code of the search: ${code}`)
  process.exitCode = code
} finally {
  await place.endWorker()
  puzzleflow('server', 'stop')
  rmSync(folder, { recursive: true, force: true })
}
