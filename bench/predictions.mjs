// Do the costs of blocks predict whole models? Profiles a parent's blocks as the stage `profile` does, then times the parent and
// random children as wholes, and prints predicted against measured figures: quiet, and beside a process that keeps a core busy
// half of the time.
//   node bench/predictions.mjs [SPEC] [--children 20] [--noise] [--save FILE.json]
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compileSpec } from '../dist/spec/plan.js'
import { specRegistry } from '../dist/cli/spec-registry.js'
import { loadPlugins, onlyRuns } from '../dist/plugins/registry.js'
import { openModel } from '../dist/model/index.js'
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
const share = (a, b) => `${(100 * (a / b - 1)).toFixed(1).padStart(6)} %`
console.log('\nchild    prefill  latency  throughput ratio predicted, measured, error')
const errors = { prefill: [], latency: [], ratio: [] }
const wholes = []
// Others than those that the table was calibrated with.
for (const [i, layers] of randomChildren(model, inputs.space, Number(options.children), 4711).entries()) {
  const blocks = layers.map(({ attention, ffn }) => ({ attention, ffn }))
  const how = { repetitions: 8, precision: 0.01, threads: stage.params.threads }
  const { seconds: measured } = await compare(
    [madeUp(model, model.config.blocks), madeUp(model, blocks)],
    scenario,
    how,
    context,
  )
  const ids = layers.map(({ attention, ffn }) => ({ attention: attention.id, ffn: ffn.id }))
  wholes.push({ layers: ids, parent: measured[0], child: measured[1] })
  const [own, child] = [totalCost(table, parent), totalCost(table, ids)]
  const ratio = { predicted: seconds(own) / seconds(child), measured: seconds(measured[0]) / seconds(measured[1]) }
  const of = {
    prefill: [child.prefillSeconds, measured[1].prefillSeconds],
    latency: [seconds(child), seconds(measured[1])],
    ratio: [ratio.predicted, ratio.measured],
  }
  for (const [name, [a, b]] of Object.entries(of)) errors[name].push(Math.abs(a / b - 1))
  if (i === 0)
    console.log(
      `parent  ${share(own.prefillSeconds, measured[0].prefillSeconds)} ${share(seconds(own), seconds(measured[0]))}`,
    )
  console.log(
    `${String(i + 1).padEnd(7)} ${share(...of.prefill)} ${share(...of.latency)}   ${ratio.predicted.toFixed(3)}  ${ratio.measured.toFixed(3)} ${share(...of.ratio)}`,
  )
}
for (const [name, list] of Object.entries(errors)) {
  const sorted = [...list].sort((a, b) => a - b)
  console.log(
    `${name}: largest ${(100 * sorted.at(-1)).toFixed(1)} %, median ${(100 * sorted[sorted.length >> 1]).toFixed(1)} %`,
  )
}
if (options.save)
  writeFileSync(options.save, JSON.stringify({ table, parent, calibration: values.calibration, tasks, wholes }))
noise?.kill()
