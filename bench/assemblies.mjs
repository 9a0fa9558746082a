// Do the scores of single blocks predict whole children? Draws random assemblies from the library of a finished run, at the
// limits and of any cost, measures their KL untrained on held-out text, and prints it beside the sum of their scores, as `solve`
// added them up. If the run has the stage `refine`: also the sum of the scores beside its best child, with which `select` solves
// again, and what is predicted from the children that it measured, none of which is drawn. Then rank correlations and ratios.
//   node bench/assemblies.mjs RUN --store DIR [--children 40] [--sequences 48] [--seed 1] [--out FILE.csv]
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openStore } from '../dist/store/index.js'
import { loadPlugins } from '../dist/plugins/registry.js'
import { AssemblyMeter } from '../dist/puzzle/assembly-meter.js'
import { AssemblyPredictor } from '../dist/puzzle/assembly-predictor.js'
import { variantsOf } from '../dist/puzzle/option-variants.js'
import { openParent } from '../dist/puzzle/parent.js'
import { problemParts } from '../dist/puzzle/problem-parts.js'
import { randomAssemblies } from '../dist/puzzle/random-assemblies.js'
import { scoreOf } from '../dist/puzzle/selection.js'
import { toOptions, toSolution } from '../dist/puzzle/selection-problem.js'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string' },
    children: { type: 'string', default: '40' },
    sequences: { type: 'string', default: '48' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
})
const store = await openStore(options.store, { onlyRead: true })
const run = await store.getDocument(`runs/${positionals[0] ?? 'quickstart'}`)
const stages = {}
for (const [name, ref] of Object.entries(run.outputs)) stages[name] = await store.readJson(ref)
const { inputs: spec, inputDigests } = await store.readJson(run.plan)
const { refine, ...others } = stages
const context = { spec, inputDigests, blocks: loadPlugins().blocks, stages: others, open: (ref) => store.path(ref) }
const model = await openParent(context)
const solved = await store.readJson(stages.solve.files.solutions)
const problem = await store.readJson(stages.solve.files.problem)
const inContext = refine?.files.scores && (await store.readJson(refine.files.scores))
const parts = await problemParts(context, solved.composition)
const refined = inContext && {
  ...problem,
  layers: problem.layers.map((layer, i) => ({
    options: layer.options.map((option) => ({ ...option, score: inContext[i][option.id] })),
  })),
}
const measured = refine?.files.measured && (await store.readJson(refine.files.measured))
const predictor = measured && AssemblyPredictor.fit(problem, variantsOf(parts), measured)
const meter = await AssemblyMeter.open(context, model, parts.library, stages.capture.files, {
  sequences: Number(options.sequences),
  batch: 16,
  threads: 2,
})
const rows = []
const measure = async (kind, choice) => {
  const { choice: entries, predicted } = toSolution(parts, choice, 0)
  const { kl, tokens } = await meter.measure(entries)
  rows.push({
    kind,
    sum: scoreOf(problem, choice),
    ...(refined && { beside: scoreOf(refined, choice) }),
    ...(predictor && { predicted: predictor.predict(choice) }),
    true: kl / tokens,
    throughput: predicted.throughput,
  })
}
for (const solution of solved.solutions) await measure('pool', toOptions(parts, solution))
if (refine)
  for (const solution of (await store.readJson(refine.files.solutions)).solutions)
    await measure('refined', toOptions(parts, solution))
const known = new Set(measured?.map(({ choice }) => choice.join()))
for (const { kind, choice } of await randomAssemblies(problem, Number(options.children), Number(options.seed)))
  if (!known.has(choice.join())) await measure(kind, choice)
await meter.release()

function spearman(a, b) {
  const ranks = (values) => {
    const rank = []
    const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j])
    for (const [r, i] of order.entries()) rank[i] = r
    return rank
  }
  const [x, y, n] = [ranks(a), ranks(b), a.length]
  return 1 - (6 * x.reduce((sum, own, i) => sum + (own - y[i]) ** 2, 0)) / (n * (n * n - 1))
}
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
const cell = (value) => value.toFixed(4).padStart(10)
const estimates = ['sum', 'beside', 'predicted'].filter((name) => name in rows[0])
console.log(`kind       ${[...estimates, 'true'].map((name) => name.padStart(10)).join('')}  tokens/s`)
for (const own of rows)
  console.log(
    own.kind.padEnd(11) + [...estimates, 'true'].map((name) => cell(own[name])).join(''),
    own.throughput.toFixed(0).padStart(9),
  )
const groups = {
  'all random': ['limit', 'any'],
  'random at the limits': ['limit'],
  'random of any cost': ['any'],
}
for (const [name, kinds] of Object.entries(groups)) {
  const own = rows.filter(({ kind }) => kinds.includes(kind))
  for (const by of own.length > 1 ? estimates : []) {
    const predicted = own.map((row) => row[by])
    const actual = own.map((row) => row.true)
    // The parent itself may be among them.
    const ratio = median(predicted.map((value, i) => value / actual[i]).filter(Number.isFinite))
    console.log(
      `${name}, ${by}: ${own.length}, Spearman ${spearman(predicted, actual).toFixed(3)}, predicted/true ${ratio.toFixed(3)}`,
    )
  }
}
if (options.out) {
  const names = Object.keys(rows[0])
  writeFileSync(
    options.out,
    `${[names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.join(',')).join('\n')}\n`,
  )
}
