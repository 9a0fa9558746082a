// `node build.mjs`: builds the server of this folder into the user's cache, unless it is there. Imports Node's own modules
// only: set-up runs it beside the installation of all others.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = dirname(fileURLToPath(import.meta.url))

/** Modules of which `_overlay` takes something out: archives and workers in clouds, 700 of 1,780 packages. */
const overlaid = ['go.temporal.io/server', 'go.temporal.io/auto-scaled-workers']

/** Folder of what can be made again, as in store/paths.ts. */
function cache() {
  const { XDG_CACHE_HOME: base } = process.env
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'puzzleflow')
}

/** Where the program is when it has been built. The place depends on all that it is made of: clones and versions share it. */
export function builtProgram() {
  const hash = createHash('sha256')
  for (const path of filesBelow(sources))
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(sources, path)))
      .update('\0')
  return join(cache(), 'temporal-server', hash.digest('hex').slice(0, 16), 'temporal-server')
}

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort()

/** Builds it. @throws what Go says when it cannot */
async function build(target) {
  const work = mkdtempSync(join(tmpdir(), 'puzzleflow-server-'))
  try {
    for (const name of ['main.go', 'hosts.go', 'owner.go', 'go.mod', 'go.sum'])
      copyFileSync(join(sources, name), join(work, name))
    for (const line of (await go(['mod', 'download', '-json', ...overlaid], sources)).split(/(?<=^\})\n/m)) {
      if (line.trim() === '') continue
      const { Path, Dir } = JSON.parse(line)
      overlay(Dir, join(work, Path), join(sources, '_overlay', Path))
      await go(['mod', 'edit', `-replace=${Path}=./${Path}`], work)
    }
    edit(join(work, 'go.temporal.io/server/common/rpc/rpc.go'), ...wrapListener)
    const temporary = `${target}.${process.pid}.tmp`
    mkdirSync(dirname(target), { recursive: true })
    await go(['build', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', temporary, '.'], work)
    renameSync(temporary, target)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Lets the program decide who may connect to the services: Temporal offers no place for that. */
const wrapListener = [
  '\treturn grpcListener\n}\n',
  `\treturn WrapListener(grpcListener)
}

// WrapListener gets the listener of every service before it is used.
var WrapListener = func(listener net.Listener) net.Listener { return listener }
`,
]

/** Changes a file of a module's copy. @throws Error where the text is not there once, as in another version */
function edit(path, before, after) {
  const parts = readFileSync(path, 'utf8').split(before)
  if (parts.length !== 2) throw new Error(`${path} is not as expected: update wrapListener in build.mjs`)
  writeFileSync(path, parts.join(after))
}

/** Copies a module. Of `_overlay` a file takes the place of its namesake, and one that is empty takes it away. */
function overlay(module, copy, ours) {
  const own = new Map(filesBelow(ours).map((path) => [path, join(ours, path)]))
  for (const path of filesBelow(module)) {
    const from = own.get(path) ?? join(module, path)
    if (path.endsWith('_test.go') || statSync(from).size === 0) continue
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    copyFileSync(from, join(copy, path))
  }
}

let running
/** Runs Go, whatever the user has it do elsewhere. @returns what it prints */
function go(args, cwd) {
  // The compiler collects its garbage seldom: a tenth less time for some hundred megabytes more.
  const own = { GOGC: '800', CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off', GO111MODULE: 'on', GOOS: '', GOARCH: '' }
  const child = spawn('go', args, { cwd, env: { ...process.env, ...own }, stdio: ['ignore', 'pipe', 'pipe'] })
  running = child
  let [output, errors] = ['', '']
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (errors = (errors + data).slice(-4000)))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(errors.trim() || `go ${args[0]} failed`)),
    )
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('SIGTERM', () => {
    running?.kill()
    process.exitCode = 143
  })
  const target = builtProgram()
  try {
    if (!existsSync(target)) await build(target)
    console.log(target)
  } catch (error) {
    console.error(error.message)
    process.exitCode ||= 1
  }
}
