// Measures the share of decoding that is spent outside onnxruntime's kernels.
//   npm run build && node bench/decoding.mjs [MODEL]
// Three things take steps in turn, so that other load affects all of them: a plain decoder, a decoder with onnxruntime's
// profile, and a graph of nodes that do nothing. The time outside kernels has two parts: what precedes the first and follows
// the last kernel in the profile (JavaScript, and copies between it and native memory), and moving from node to node, which is
// all that a node takes that does nothing. The kernels' events cannot simply be added up, because recording them takes longer
// than most kernels and is part of them. Each time is the fastest of several passes per position, since other load only ever
// adds time.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../dist/activities/child-environment.js'
import { Decoder, openModel } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { Graph, Session } from '../dist/tensor/index.js'

// The same environment as in processes that execute tasks.
const environment = childEnvironment(process.env)
if (environment.GLIBC_TUNABLES !== process.env.GLIBC_TUNABLES)
  process.exit(spawnSync(process.execPath, process.argv.slice(1), { stdio: 'inherit', env: environment }).status ?? 1)

const passes = 6
const scenarios = [
  { batch: 16, prefill: 32, generate: 64 },
  { batch: 16, prefill: 64, generate: 128 },
]
const folder = process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'examples/quickstart/parent')
const model = await openModel(folder, makeBlocks())
const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-decoding-'))

/** The mean over positions of the minimum at each; the first pass is a warm-up. */
function fastest(values, positions) {
  const least = Array(positions).fill(Infinity)
  values.slice(positions).forEach((value, i) => (least[i % positions] = Math.min(least[i % positions], value)))
  return least.reduce((a, b) => a + b, 0) / positions
}

/** For every step in the profile: milliseconds from the first kernel to the last, and the sum of the kernels' events. */
function profiledSteps() {
  const name = readdirSync(scratch).find((file) => file.startsWith('decoding-step'))
  const events = JSON.parse(readFileSync(join(scratch, name), 'utf8')).sort((a, b) => a.ts - b.ts)
  const ends = events.filter((event) => event.name === 'model_run').map(({ ts, dur }) => ts + dur)
  const steps = ends.map(() => ({ first: Infinity, last: 0, sum: 0, nodes: 0 }))
  let at = 0
  for (const { cat, name, ts, dur } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue
    while (ts > ends[at]) at++
    const step = steps[at]
    step.first = Math.min(step.first, ts)
    step.last = Math.max(step.last, ts + dur)
    step.sum += dur / 1000
    step.nodes++
  }
  return steps.map(({ first, last, sum, nodes }) => ({ inside: (last - first) / 1000, sum, nodes }))
}

/** A graph of nodes that do nothing: each passes its input on without copying it. */
async function idleNodes(count) {
  const g = new Graph()
  let x = g.input('x', 'float32', [16, 192])
  for (let i = 0; i < count; i++) x = g.stopGradient(x)
  g.output('y', x)
  const session = await Session.create(g, { optimisation: 'disabled' })
  const feeds = { x: { dtype: 'float32', dims: [16, 192], data: new Float32Array(16 * 192) } }
  return { run: () => session.run(feeds), release: () => session.release() }
}

/** Runs and records the milliseconds. */
async function timed(times, run) {
  const begin = performance.now()
  const result = await run()
  times.push(performance.now() - begin)
  return result
}

async function measure({ batch, prefill, generate }) {
  const plain = await Decoder.create(model, { batch })
  const profiled = await Decoder.create(model, { batch, profile: join(scratch, 'decoding') })
  const [few, many] = [await idleNodes(100), await idleNodes(600)]
  const times = { plain: [], profiled: [], few: [], many: [] }
  const prompt = Int32Array.from({ length: batch * prefill }, (_, i) => (i * 7919) % model.config.vocabulary)
  for (let pass = 0; pass <= passes; pass++) {
    let { best } = await plain.prefill(prompt)
    await profiled.prefill(prompt)
    for (let n = 1; n < generate; n++) {
      await timed(times.profiled, () => profiled.step(best))
      await timed(times.few, few.run)
      await timed(times.many, many.run)
      best = (await timed(times.plain, () => plain.step(best))).best
    }
  }
  for (const one of [plain, profiled, few, many]) await one.release()
  const steps = profiledSteps()
  for (const file of readdirSync(scratch)) rmSync(join(scratch, file))

  const of = (values) => fastest(values, generate - 1)
  const { nodes } = steps[0]
  const step = of(times.plain)
  const around = of(steps.map(({ inside }, i) => times.profiled[i] - inside))
  const between = (nodes * (of(times.many) - of(times.few))) / 500
  return { step, around, between, nodes, events: of(steps.map(({ sum }) => sum)), share: (around + between) / step }
}

const columns = ['batch', 'prefill', 'generate', 'step, ms', 'around kernels, ms', 'nodes', 'between kernels, ms']
console.log(`| ${[...columns, 'events of kernels, ms', 'share outside'].join(' | ')} |`)
console.log(`|${' ---: |'.repeat(columns.length + 2)}`)
try {
  for (const scenario of scenarios) {
    const { step, around, between, nodes, events, share } = await measure(scenario)
    const numbers = [step.toFixed(2), around.toFixed(2), nodes, between.toFixed(2), events.toFixed(2)]
    console.log(`| ${[...Object.values(scenario), ...numbers, `${(share * 100).toFixed(1)} %`].join(' | ')} |`)
  }
} finally {
  rmSync(scratch, { recursive: true })
}
