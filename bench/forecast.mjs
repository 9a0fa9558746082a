// Does `plan` know? Plans a search, runs it in a store of its own, and compares the seconds of each stage with what was expected.
// A stage's seconds: those in which at least one of its tasks ran.
//   npm run build && node bench/forecast.mjs [SPEC]
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const spec = resolve(process.argv[2] ?? 'examples/quickstart/search.yaml')
const command = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const place = mkdtempSync(join(tmpdir(), 'puzzleflow-forecast-'))
cpSync(dirname(spec), join(place, 'search'), { recursive: true, filter: (path) => basename(path) !== 'runs' })
const env = { ...process.env, XDG_STATE_HOME: join(place, 'state') }
const options = { env, cwd: join(place, 'search'), stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 }
const store = ['--store', join(place, 'store')]
const puzzleflow = (...args) => execFileSync(process.execPath, [command, ...args, ...store], options).toString()

const { stages, seconds } = JSON.parse(puzzleflow('plan', basename(spec), '--json'))
const began = performance.now()
spawnSync(process.execPath, [command, 'run', basename(spec), ...store], { ...options, stdio: 'ignore' })
const took = (performance.now() - began) / 1000
spawnSync(process.execPath, [command, 'server', 'stop', ...store], { env })

const spans = {}
for (const entry of readdirSync(join(place, 'store/records'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.json')) continue
  const record = JSON.parse(readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8'))
  const end = Date.parse(record.finishedAt) / 1000
  ;(spans[record.components.stage] ??= []).push([end - record.seconds, end])
}
const busy = (all = []) => {
  let [sum, until] = [0, -Infinity]
  for (const [from, to] of all.sort((a, b) => a[0] - b[0])) {
    sum += Math.max(0, to - Math.max(from, until))
    until = Math.max(until, to)
  }
  return sum
}
// Stages of one type are one line: records name the type.
const types = { 'check-child': 'evaluate', 'evaluate-child': 'evaluate' }
const expected = {}
for (const { stage, seconds } of stages)
  expected[types[stage] ?? stage] = (expected[types[stage] ?? stage] ?? 0) + (seconds ?? 0)
console.log('stage          expected   took  ratio')
for (const [stage, guess] of Object.entries(expected)) {
  const real = busy(spans[stage])
  if (guess < 1 && real < 1) continue
  console.log(
    `${stage.padEnd(15)}${guess.toFixed(0).padStart(6)} s${real.toFixed(0).padStart(6)} s  ${(guess / real).toFixed(2)}`,
  )
}
console.log(
  `all            ${seconds.toFixed(0).padStart(6)} s${took.toFixed(0).padStart(6)} s  ${(seconds / took).toFixed(2)}`,
)
rmSync(place, { recursive: true, force: true })
