// What a model of 80 layers with 54 variants each takes before anything is trained: `validate`, again, and `plan`, as processes; and
// the list of its 4,320 tasks with their keys.
//   npm run build && node bench/plan-scale.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkTasks, bounds, pagesOf } from '../dist/activities/pages.js'
import { specRegistry } from '../dist/cli/spec-registry.js'
import { taskKeys } from '../dist/lineage/keys.js'
import { loadPlugins } from '../dist/plugins/registry.js'
import { compileSpec } from '../dist/spec/plan.js'
import { digestBytes } from '../dist/store/digest.js'
import { tinySpec, writeTinySearch } from '../dist/test/cli/tiny-search.js'

const layers = 80
const numbers = (from, step) => Array.from({ length: 27 }, (_, i) => from + i * step).join(', ')
const space = `space:
  attention: [parent, { block: sliding-window, window: [${numbers(2, 1)}] }]
  ffn: [parent, { block: swiglu, width: [${numbers(2, 2)}] }]
`
const spec = tinySpec.replace(/space:\n(?: .*\n)+/, space).replace('besideNoOp: parent', 'besideNoOp: none')
const folder = await writeTinySearch(spec, layers)
const home = mkdtempSync(join(tmpdir(), 'puzzleflow-scale-'))
const file = join(folder, 'search.yaml')
const line = (what, seconds, processor) =>
  console.log(`${what.padEnd(44)} ${seconds.toFixed(2)} s, processor time ${processor.toFixed(2)} s`)

/** Runs a command to its end. What Node uses of the processor, it says itself. */
function command(...args) {
  const program = new URL('../dist/cli/main.js', import.meta.url).pathname
  const times = join(home, 'time')
  const say = `import{writeFileSync}from'fs';process.on('exit',()=>{const{user,system}=process.cpuUsage();writeFileSync(${JSON.stringify(times)},String((user+system)/1e6))})`
  const env = { ...process.env, XDG_STATE_HOME: home, XDG_CACHE_HOME: home }
  const began = performance.now()
  const options = { env, encoding: 'utf8' }
  const text = execFileSync(process.execPath, ['--import', `data:text/javascript,${say}`, program, ...args], options)
  line(args[0], (performance.now() - began) / 1000, Number(readFileSync(times, 'utf8')))
  return text
}

async function timed(what, work) {
  const [began, before] = [performance.now(), process.cpuUsage()]
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  line(what, (performance.now() - began) / 1000, (user + system) / 1e6)
  return result
}

try {
  command('validate', file)
  command('validate', file)
  // The first one measures how fast the machine is with layers like this model's.
  command('plan', file, '--store', join(home, 'store'))
  const shown = command('plan', file, '--store', join(home, 'store'))
  const listed = Number(/^distill +~?(\d+)/m.exec(shown)?.[1])
  if (listed !== 4320) throw new Error(`plan lists ${listed} tasks of distill`)
  const loaded = loadPlugins()
  const { plan } = await compileSpec(file, specRegistry(loaded))
  const planned = plan.stages.find(({ name }) => name === 'distill')
  const stage = loaded.stage('distill')
  const ref = { digest: digestBytes(Buffer.from('captured')), bytes: 8, kind: 'captured' }
  const capture = { values: { tokens: 1e6, sequences: 96, length: 128 }, files: new Proxy({}, { get: () => ref }) }
  const { inputs: spec, inputDigests, seed } = plan
  const { blocks, runs } = loaded
  const tasks = await timed('tasks of distill are listed', () =>
    stage.plan({ spec, inputDigests, seed, blocks, runs, params: planned.params, stages: { capture } }),
  )
  const parts = { plan, planned, stage, params: planned.params, outputs: { capture: ref } }
  const pages = await timed('and checked, with their keys, in pages', () => {
    checkTasks('distill', tasks, bounds)
    tasks.map(taskKeys(parts))
    return pagesOf(tasks, bounds)
  })
  console.log(`${tasks.length} tasks, ${pages.length} pages, ${Buffer.byteLength(JSON.stringify(tasks)) >> 10} KiB`)
} finally {
  for (const own of [folder, home]) rmSync(own, { recursive: true, force: true })
}
