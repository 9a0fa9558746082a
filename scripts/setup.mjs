// Set-up of a fresh clone. Imports Node's own modules only, for node_modules may not exist yet.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Runs a command in the project's root; ends this process with its exit code when it fails. */
export function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (done.error) stop(`setup: ${command} cannot be started: ${done.error.message}`)
  if (done.status !== 0) process.exit(done.status ?? 1)
}

/** Says why set-up cannot go on, and ends this process. */
function stop(message) {
  console.error(message)
  process.exit(5)
}

/** Of what is set for npm elsewhere, these would leave out what is needed, or install it elsewhere or not at all. */
const flags = [
  ...['dev', 'optional', 'peer'].map((kind) => `--include=${kind}`),
  ...['--package-lock', '--no-global', '--no-dry-run', '--no-package-lock-only', '--install-strategy=hoisted'],
  // Packages come with their native code; what their scripts would do (downloading libraries for GPUs, say) is not needed.
  ...['--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'],
]

/** npm lists here what it has installed, at the end. */
const list = () => join(root, 'node_modules', '.package-lock.json')

/** Installs the dependencies of the lock file unless they are there, whoever installed them. */
export function install() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    stop(`puzzleflow needs Node 20.19 or newer; this is ${process.versions.node}.`)
  if (isInstalled()) return
  console.error('setup: installing dependencies (npm ci) …')
  // What is killed half-way is not taken for whole.
  rmSync(list(), { force: true })
  run('npm', ['ci', ...flags])
  if (!isInstalled())
    stop('setup: npm ci ended well, but packages are missing in node_modules. Give the same command again.')
}

/**
 * Whether all packages of the lock file are there, optional ones as far as npm chose to install them. Others may be there too, such as
 * node-llama-cpp (docs/exports.md), which npm ci would remove; but not inside one of the lock file's, which would load them.
 */
function isInstalled() {
  let installed
  try {
    installed = JSON.parse(readFileSync(list(), 'utf8')).packages
  } catch {
    return false
  }
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const needed = Object.entries(packages).filter(([path, own]) => path !== '' && !own.optional)
  return (
    needed.every(([path]) => path in installed) &&
    Object.entries(installed).every(([path, { version, bin = {} }]) =>
      path in packages
        ? packages[path].version === version &&
          ['package.json', ...Object.values(bin)].every((file) => existsSync(join(root, path, file)))
        : !((/^(.+)\/node_modules\//.exec(path)?.[1] ?? 'none') in packages),
    )
  )
}

/** Compiles TypeScript into dist/ (incremental: seconds when nothing changed). */
export function build() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(compiler)) {
    rmSync(list(), { force: true })
    stop('setup: there is no TypeScript compiler in node_modules. The same command will install it.')
  }
  mkdirSync(join(root, 'dist'), { recursive: true })
  if (!isWhole()) rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true })
  console.error('setup: compiling TypeScript …')
  run(process.execPath, [compiler, '-p', '.'])
  // npm marks a command executable once, when it links it: not again after dist/ was removed.
  const command = join(root, 'dist', 'cli', 'main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
}

/** Whether nothing of what was compiled is missing; the compiler writes only what has changed since. */
function isWhole() {
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
  const compiled = (path) => existsSync(join(root, 'dist', path.replace(/\.ts$/, '.js')))
  return include.every((own) =>
    own.endsWith('.ts') ? compiled(own) : sources(join(root, own)).every((path) => compiled(join(own, path))),
  )
}

const sources = (folder) =>
  readdirSync(folder, { recursive: true }).filter(
    (path) => /(?<!\.d)\.ts$/.test(path) && !/(^|\/)node_modules\//.test(path),
  )
