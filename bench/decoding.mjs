// What share of decoding is spent outside of onnxruntime's kernels: in JavaScript, in copying between it and native memory,
// and between one kernel and the next.
//   npm run build && node bench/decoding.mjs [MODEL]
// Two decoders of one model (default: the quickstart's parent) go through each scenario in turn, one of them with
// onnxruntime's profile. The share is 1 - (kernels of a step by the profile) / (time of a step without it), both of the
// fastest of several passes at each position, since other work of the machine only ever adds. An event of the profile
// lasts longer than its kernel, as shapes are written down within it: of each event is subtracted what the event of a
// kernel lasts that does nothing. All of that counts as outside, so the share is an upper bound.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Decoder, openModel } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { Graph, Session } from '../dist/tensor/index.js'

const passes = 8
const scenarios = [
  { batch: 16, prefill: 32, generate: 64 },
  { batch: 16, prefill: 64, generate: 128 },
]
const folder = process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'examples/quickstart/parent')
const model = await openModel(folder, makeBlocks())
const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-decoding-'))

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length

/** Mean over positions of the least that was seen at each; the first pass warms up. */
function fastest(values, positions) {
  const least = Array(positions).fill(Infinity)
  values.slice(positions).forEach((value, i) => (least[i % positions] = Math.min(least[i % positions], value)))
  return mean(least)
}

/** Of every run in a profile: milliseconds in kernels, and their number. */
function kernelsOfRuns(part) {
  const file = join(
    scratch,
    readdirSync(scratch).find((name) => name.startsWith(part)),
  )
  const events = JSON.parse(readFileSync(file, 'utf8')).sort((a, b) => a.ts - b.ts)
  rmSync(file)
  const runs = events
    .filter(({ name }) => name === 'model_run')
    .map(({ ts, dur }) => ({ end: ts + dur, ms: 0, count: 0 }))
  let at = 0
  for (const { cat, name, ts, dur } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue
    while (ts > runs[at].end) at++
    runs[at].ms += dur / 1000
    runs[at].count++
  }
  return runs
}

/** Milliseconds of the profile's event of a kernel that does nothing: another shape for the same elements. */
async function emptyEvent() {
  const [a, b] = [
    [16, 6, 1, 32],
    [16, 1, 6, 32],
  ]
  const g = new Graph()
  let x = g.input('x', 'float32', a)
  for (let i = 0; i < 400; i++) x = g.reshape(x, i % 2 === 1 ? a : b)
  g.output('y', x)
  const session = await Session.create(g, { optimisation: 'disabled', profile: join(scratch, 'empty') })
  const feeds = { x: { dtype: 'float32', dims: a, data: new Float32Array(16 * 6 * 32) } }
  for (let i = 0; i < 60; i++) await session.run(feeds)
  session.endProfiling()
  await session.release()
  const runs = kernelsOfRuns('empty').slice(10)
  return Math.min(...runs.map(({ ms, count }) => ms / count))
}

/** Time of every step of a pass. */
async function timeSteps(decoder, { batch, prefill, generate }, times) {
  const prompt = Int32Array.from({ length: batch * prefill }, (_, i) => (i * 7919) % model.config.vocabulary)
  let { best } = await decoder.prefill(prompt)
  for (let n = 1; n < generate; n++) {
    const begin = performance.now()
    best = (await decoder.step(best)).best
    times.push(performance.now() - begin)
  }
}

async function measure(scenario) {
  const event = await emptyEvent()
  const plain = await Decoder.create(model, { batch: scenario.batch })
  const profiled = await Decoder.create(model, { batch: scenario.batch, profile: join(scratch, 'decoding') })
  const times = []
  for (let pass = 0; pass <= passes; pass++) {
    await timeSteps(plain, scenario, times)
    await timeSteps(profiled, scenario, [])
  }
  await plain.release()
  await profiled.release()
  const runs = kernelsOfRuns('decoding-step')
  const positions = scenario.generate - 1
  const step = fastest(times, positions)
  const events = fastest(
    runs.map(({ ms }) => ms),
    positions,
  )
  const kernels = events - runs[0].count * event
  return { step, nodes: runs[0].count, event, events, kernels, share: 1 - kernels / step }
}

const columns = ['batch', 'prefill', 'generate', 'step, ms', 'kernels', 'their events, ms', 'of an empty one, µs']
const rows = []
try {
  for (const scenario of scenarios) rows.push({ ...scenario, ...(await measure(scenario)) })
} finally {
  rmSync(scratch, { recursive: true })
}
console.log(`| ${[...columns, 'in kernels, ms', 'share outside'].join(' | ')} |`)
console.log(`|${' ---: |'.repeat(columns.length + 2)}`)
for (const { batch, prefill, generate, step, nodes, event, events, kernels, share } of rows) {
  const numbers = [step.toFixed(2), nodes, events.toFixed(2), (event * 1000).toFixed(2), kernels.toFixed(2)]
  console.log(`| ${[batch, prefill, generate, ...numbers, `${(share * 100).toFixed(1)} %`].join(' | ')} |`)
}
