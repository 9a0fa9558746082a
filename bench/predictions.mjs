// Do the costs of blocks predict whole models? Profiles a parent's blocks as the stage `profile` does, then times the parent and
// random children as wholes, and prints predicted against measured figures: quiet, and beside a process that keeps a core busy
// half of the time. What is measured is the median of several sessions, all children once in each, because one session differs
// from the next.
//   node bench/predictions.mjs [SPEC] [--children 20] [--sessions 3] [--noise] [--save FILE.json]
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compileSpec } from '../dist/spec/plan.js'
import { specRegistry } from '../dist/cli/spec-registry.js'
import { loadPlugins, onlyRuns } from '../dist/plugins/registry.js'
import { median, openModel } from '../dist/model/index.js'
import { profile } from '../dist/plugins/stages/profile.js'
import { randomChildren } from '../dist/puzzle/calibration.js'
import { compare } from '../dist/puzzle/block-timing.js'
import { madeUp } from '../dist/puzzle/made-up.js'
import { runtime as seconds, totalCost } from '../dist/puzzle/costs.js'
import { startNoise } from './noise.mjs'
import { parentLayers } from '../dist/puzzle/selection-problem.js'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    children: { type: 'string', default: '20' },
    sessions: { type: 'string', default: '3' },
    noise: { type: 'boolean', default: false },
    // All that was measured, to try other ways to calibrate with.
    save: { type: 'string' },
  },
})
const file = resolve(positionals[0] ?? 'examples/quickstart/search.yaml')
const { plan, diagnostics } = await compileSpec(file, specRegistry())
if (!plan) throw new Error(JSON.stringify(diagnostics, null, 2))
const { inputs, seed = 0 } = plan
const { scenario } = inputs.target
const loaded = loadPlugins()
const model = await openModel(resolve(dirname(file), inputs.model), loaded.blocks)
const noise = options.noise ? startNoise() : undefined
process.on('exit', () => noise?.kill())

const stage = plan.stages.find(({ name }) => name === 'profile')
const artifacts = new Map()
const context = {
  spec: inputs,
  params: stage.params,
  seed,
  blocks: loaded.blocks,
  runs: onlyRuns(loaded.runs, []),
  inputDigests: {},
  machineState: mkdtempSync(join(tmpdir(), 'puzzleflow-predictions-')),
  log: () => {},
  progress: () => {},
  put: async (kind, data) => (artifacts.set(kind, data), { kind, digest: kind, bytes: 0 }),
}
const started = performance.now()
const tasks = []
for (const task of await profile.plan({ ...context, runs: loaded.runs }))
  tasks.push({ plan: task, outputs: await profile.run({ ...context, task }) })
const { values } = await profile.gather({ ...context, runs: loaded.runs, tasks, skipped: [] })
const table = artifacts.get('costs')
console.log(
  `profile: ${tasks.length} tasks, ${((performance.now() - started) / 1000).toFixed(0)} s${noise ? ', beside noise' : ''}`,
)
for (const {
  plan: { id },
  outputs,
} of tasks)
  console.log(`  ${id.padEnd(28)} ±${(1000 * outputs.values.error).toFixed(3)} ms  ${outputs.values.passes} passes`)
console.log(`calibration: ${JSON.stringify(values.calibration)}`)

const parent = parentLayers(model)
// Others than those that the table was calibrated with.
const children = randomChildren(model, inputs.space, Number(options.children), 4711)
const sessions = children.map(() => [])
for (let session = 0; session < Number(options.sessions); session++)
  for (const [i, layers] of children.entries()) {
    const blocks = layers.map(({ attention, ffn }) => ({ attention, ffn }))
    const models = [model.config.blocks, blocks].map((all) => madeUp(model, all))
    const how = { repetitions: 5, precision: 1, threads: stage.params.threads }
    const { seconds: measured } = await compare(models, scenario, how, context)
    sessions[i].push({ parent: measured[0], child: measured[1] })
  }

const share = (a, b) => `${(100 * (a / b - 1)).toFixed(1).padStart(6)} %`
console.log(
  '\nchild    prefill  latency  throughput ratio predicted, measured, error; lowest and highest ratio of a session',
)
const errors = { prefill: [], latency: [], ratio: [] }
const own = totalCost(table, parent)
const ofParent = (of) => median(sessions.flatMap((all) => all.map((one) => of(one.parent))))
const prefillOf = ({ prefillSeconds }) => prefillSeconds
console.log(`parent  ${share(prefillOf(own), ofParent(prefillOf))} ${share(seconds(own), ofParent(seconds))}`)
const wholes = children.map((layers, i) => {
  const ids = layers.map(({ attention, ffn }) => ({ attention: attention.id, ffn: ffn.id }))
  const child = totalCost(table, ids)
  const ofChild = (of) => median(sessions[i].map((one) => of(one.child)))
  const ratios = sessions[i].map((one) => seconds(one.parent) / seconds(one.child))
  const of = {
    prefill: [prefillOf(child), ofChild(prefillOf)],
    latency: [seconds(child), ofChild(seconds)],
    ratio: [seconds(own) / seconds(child), median(ratios)],
  }
  for (const [name, [a, b]] of Object.entries(of)) errors[name].push(Math.abs(a / b - 1))
  const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(3)).join(' to ')
  console.log(
    `${String(i + 1).padEnd(7)} ${share(...of.prefill)} ${share(...of.latency)}   ${of.ratio[0].toFixed(3)}  ${of.ratio[1].toFixed(3)} ${share(...of.ratio)}   ${range}`,
  )
  return { layers: ids, sessions: sessions[i] }
})
for (const [name, list] of Object.entries(errors)) {
  const sorted = [...list].sort((a, b) => a - b)
  console.log(
    `${name}: largest ${(100 * sorted.at(-1)).toFixed(1)} %, median ${(100 * median(sorted)).toFixed(1)} %, ${sorted.filter((error) => error <= 0.05).length} of ${sorted.length} within 5 %, ${sorted.filter((error) => error <= 0.1).length} within 10 %`,
  )
}
if (options.save)
  writeFileSync(options.save, JSON.stringify({ table, parent, calibration: values.calibration, tasks, wholes }))
noise?.kill()
