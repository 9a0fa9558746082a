import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

// A project with one dependency, a compiler, and a program that stands for npm: it installs the compiler, in the order of
// npm: files first, its list of them last.
let root: string
let bin: string
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-setup-'))
  root = join(folder, 'project')
  bin = join(folder, 'bin')
  for (const own of [bin, join(root, 'scripts'), join(root, 'room')]) mkdirSync(own, { recursive: true })
  cpSync(join(packageRoot(), 'scripts/setup.mjs'), join(root, 'scripts/setup.mjs'))
  write('package.json', JSON.stringify({ devDependencies: { typescript: '1.0.0' } }))
  write('tsconfig.json', JSON.stringify({ include: ['room'] }))
  write('room/a.ts', '')
  const packages = {
    '': {},
    'node_modules/typescript': { version: '1.0.0', dev: true, bin: { tsc: 'bin/tsc' } },
    'node_modules/other-system': { version: '1.0.0', optional: true },
  }
  write('package-lock.json', JSON.stringify({ packages }))
  program()
})
afterEach(() => rmSync(dirname(root), { recursive: true, force: true }))

function write(path: string, text: string): void {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const compiler = `
  const fs = require('fs')
  fs.appendFileSync('compiled', fs.existsSync('dist/.tsbuildinfo') ? 'some\\n' : 'all\\n')
  fs.mkdirSync('dist/room', { recursive: true })
  for (const name of ['dist/room/a.js', 'dist/.tsbuildinfo']) fs.writeFileSync(name, '')`

/** What `npm` does. @param killed  before it ends */
function program(killed = false): void {
  const text = `#!${process.execPath}
    const fs = require('fs')
    fs.appendFileSync('installed', process.argv.slice(2).join(' ') + '\\n')
    const own = 'node_modules/typescript/'
    fs.mkdirSync(own + 'bin', { recursive: true })
    fs.writeFileSync(own + 'package.json', '{}')
    if (${killed}) process.kill(process.pid, 'SIGKILL')
    fs.writeFileSync(own + 'bin/tsc', ${JSON.stringify(compiler)})
    const { packages } = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'))
    for (const name of ['', 'node_modules/other-system']) delete packages[name]
    fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }))`
  writeFileSync(join(bin, 'npm'), text)
  chmodSync(join(bin, 'npm'), 0o755)
}

/** Sets up. @returns its exit code, and what it says */
function setUp(): { readonly status: number | null; readonly stderr: string } {
  const steps = "import('./scripts/setup.mjs').then((setup) => { setup.install(); setup.build() })"
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  const { status, stderr } = spawnSync(process.execPath, ['-e', steps], { cwd: root, env, encoding: 'utf8' })
  return { status, stderr }
}
const linesOf = (name: string) => readFileSync(join(root, name), 'utf8').trim().split('\n')
const [installs, compiles] = ['setup: installing dependencies (npm ci) …\n', 'setup: compiling TypeScript …\n']

test('what is there is not installed again', () => {
  expect(setUp()).toEqual({ status: 0, stderr: installs + compiles })
  expect(setUp()).toEqual({ status: 0, stderr: compiles })
  expect(linesOf('installed')).toHaveLength(1)
  expect(linesOf('compiled')).toEqual(['all', 'some'])
})

/** Installs a package that the lock file does not have. */
function add(path: string): void {
  const list = 'node_modules/.package-lock.json'
  const { packages } = JSON.parse(readFileSync(join(root, list), 'utf8')) as { packages: object }
  write(`${path}/package.json`, '{}')
  write(list, JSON.stringify({ packages: { ...packages, [path]: { version: '3.0.0' } } }))
}

test('what was installed beside the packages of the lock file stays', () => {
  setUp()
  add('node_modules/node-llama-cpp')
  add('node_modules/node-llama-cpp/node_modules/which')
  expect(setUp()).toEqual({ status: 0, stderr: compiles })
})

test.each<[what: string, breaks: () => void]>([
  ['node_modules was removed', () => rmSync(join(root, 'node_modules'), { recursive: true })],
  ['a package was removed', () => rmSync(join(root, 'node_modules/typescript'), { recursive: true })],
  ['a program of a package was removed', () => rmSync(join(root, 'node_modules/typescript/bin/tsc'))],
  ['npm’s list was removed', () => rmSync(join(root, 'node_modules/.package-lock.json'))],
  ['npm’s list was cut off', () => write('node_modules/.package-lock.json', '{"packages": {')],
  ['npm left the compiler out', () => write('node_modules/.package-lock.json', '{"packages": {}}')],
  ['a package has one that only it would load', () => add('node_modules/typescript/node_modules/other')],
  [
    'another version is installed',
    () => write('node_modules/.package-lock.json', '{"packages": {"node_modules/typescript": {"version": "0.9.0"}}}'),
  ],
])('what is broken is installed again: %s', (_, breaks) => {
  setUp()
  breaks()
  expect(setUp()).toEqual({ status: 0, stderr: installs + compiles })
})

test('an installation that was killed is done again', () => {
  setUp()
  write('package-lock.json', readFileSync(join(root, 'package-lock.json'), 'utf8').replaceAll('1.0.0', '1.0.1'))
  program(true)
  expect(setUp()).toEqual({ status: 1, stderr: installs })
  program()
  expect(setUp()).toEqual({ status: 0, stderr: installs + compiles })
})

test('where compiled files are missing, all are compiled', () => {
  setUp()
  rmSync(join(root, 'dist/room/a.js'))
  expect(setUp().status).toBe(0)
  expect(linesOf('compiled')).toEqual(['all', 'all'])
})

test('without npm, set-up says so', () => {
  rmSync(join(bin, 'npm'))
  const steps = "import('./scripts/setup.mjs').then((setup) => setup.install())"
  const { status, stderr } = spawnSync(process.execPath, ['-e', steps], {
    cwd: root,
    env: { PATH: bin },
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({
    status: 5,
    stderr: `${installs}setup: npm cannot be started: spawnSync npm ENOENT\n`,
  })
})

const asked = (variables: NodeJS.ProcessEnv, npmrc = '') => {
  setUp()
  const flags = linesOf('installed')[0]!.split(' ').slice(1)
  write('.npmrc', npmrc)
  const env = { ...process.env, NODE_ENV: '', ...variables }
  const of = (key: string) =>
    spawnSync('npm', ['config', 'get', key, ...flags], { cwd: root, env, encoding: 'utf8' }).stdout.trim()
  return { omit: of('omit'), 'dry-run': of('dry-run') }
}

test.each<[variables: NodeJS.ProcessEnv, npmrc?: string]>([
  [{ NODE_ENV: 'production' }],
  [{ npm_config_omit: 'dev' }],
  [{ NPM_CONFIG_OMIT: 'optional' }],
  [{ npm_config_production: 'true' }],
  [{ npm_config_only: 'prod' }],
  [{ npm_config_dry_run: 'true' }],
  [{}, 'omit[]=dev\nomit[]=optional\n'],
])('nothing is left out, whatever is set for npm: %j %j', (variables, npmrc) => {
  expect(asked(variables, npmrc)).toEqual({ omit: '', 'dry-run': 'false' })
})

test('the lock file names no script of onnxruntime-node, whose download fails without a network', () => {
  const { packages } = JSON.parse(readFileSync(join(packageRoot(), 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>
  }
  expect(packages['node_modules/onnxruntime-node']).toBeDefined()
  expect(packages['node_modules/onnxruntime-node']?.hasInstallScript).toBeUndefined()
})
