// Set-up of a fresh clone. Imports Node's own modules only, for node_modules may not exist yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const digest = (file) =>
  createHash('sha256')
    .update(readFileSync(join(root, file)))
    .digest('hex')

/** Runs a command in the project's root; ends this process with its exit code when it fails. */
export function run(command, args, env = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (done.error) throw done.error
  if (done.status !== 0) process.exit(done.status ?? 1)
}

/** Installs the dependencies unless the lock file was installed already. */
export function install() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`puzzleflow needs Node 20.19 or newer; this is ${process.versions.node}.`)
    process.exit(5)
  }
  const stamp = join(root, 'node_modules', '.puzzleflow-lock')
  const wanted = digest('package-lock.json')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.error('setup: installing dependencies (npm ci) …')
  // The GPU libraries that onnxruntime-node would download are not used: the processor's provider is in the package.
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], { ONNXRUNTIME_NODE_INSTALL: 'skip' })
  writeFileSync(stamp, wanted)
}

/** Compiles TypeScript into dist/ (incremental: seconds when nothing changed). */
export function build() {
  mkdirSync(join(root, 'dist'), { recursive: true })
  console.error('setup: compiling TypeScript …')
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'])
}
