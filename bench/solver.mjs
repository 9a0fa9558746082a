// Measures how long the solver takes for generated problems of the size of a 70B model's, to the proven best solution and
// in all (second opinion, further solutions, baselines).
//   npm run build && node bench/solver.mjs [OTHER] [FAMILIES] [COUNT]
// FAMILIES are numbers of those to solve (0,1,2), counted from 0; COUNT is how many problems of each, all by default. The first
// problem of a process takes longest, since no code is compiled yet.
// OTHER is a folder with another build (dist/, schemas/, package.json, node_modules), which solves the same problems in turn;
// its times and the ratios of both go into the table. Times are of the processor (all threads): other load on the machine makes
// them longer too, but by far less than times by the clock.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { families } from './selection-problems.mjs'

const load = (folder) => import(pathToFileURL(resolve(folder, 'dist/solver/index.js')).href)
const builds = [await load(new URL('..', import.meta.url).pathname)]
if (process.argv[2]) builds.push(await load(process.argv[2]))
const only = process.argv[3]?.split(',').map(Number)
const count = process.argv[4] ? Number(process.argv[4]) : Infinity

const cpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Seconds until a selection is proven optimal, and until the result, from the call of `solve`. */
async function measure({ solve }, problem) {
  const [begin, clock] = [cpu(), performance.now()]
  const seconds = () => cpu() - begin
  let proven
  let provenClock = Infinity
  const result = await solve(problem, {
    onPartial: ({ status }) => {
      if (status !== 'optimal' || proven !== undefined) return
      proven = seconds()
      provenClock = (performance.now() - clock) / 1000
    },
  })
  return {
    proven: proven ?? Infinity,
    total: seconds(),
    provenClock,
    clock: (performance.now() - clock) / 1000,
    result,
  }
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}
const shown = (seconds) => (Number.isFinite(seconds) ? seconds.toFixed(2) : 'none')
const summary = (runs, key) => {
  const seconds = runs.map((run) => run[key])
  return `${shown(median(seconds))} / ${shown(Math.max(...seconds))}`
}

const header = [
  'problems',
  'proven s',
  'in all s',
  'proven by the clock',
  'in all by the clock',
  'gap',
  'second opinion',
]
if (builds.length > 1) header.push('other: proven s', 'other: in all s', 'ratio proven', 'ratio in all')
console.log(`Seconds are median / most.\n\n| ${header.join(' | ')} |\n|${header.map(() => '---').join('|')}|`)
for (const { name, problems: all } of families.filter((_, n) => !only || only.includes(n))) {
  const problems = all.slice(0, count)
  const runs = builds.map(() => [])
  for (const problem of problems)
    for (const [b, build] of builds.entries()) {
      const run = await measure(build, problem)
      runs[b].push(run)
      if (process.env.VERBOSE)
        console.error(
          name,
          b,
          shown(run.proven),
          shown(run.total),
          run.result.status,
          run.result.solutions[0]?.objective,
        )
    }
  const [own, other] = runs
  const verdicts = [...new Set(own.map(({ result }) => result.secondOpinion.verdict))]
  const gap = Math.max(...own.map(({ result }) => result.solutions[0]?.gap ?? Infinity))
  const cells = [
    `${name} (${problems.length})`,
    summary(own, 'proven'),
    summary(own, 'total'),
    summary(own, 'provenClock'),
    summary(own, 'clock'),
    gap.toExponential(1),
    verdicts.join(', '),
  ]
  if (other) {
    const ratio = (key) => median(own.map((run, i) => other[i][key] / run[key])).toFixed(1)
    cells.push(summary(other, 'proven'), summary(other, 'total'), ratio('proven'), ratio('total'))
    for (const [i, { result }] of own.entries()) {
      const [a, b] = [result.solutions[0], other[i].result.solutions[0]]
      if (a && b && (a.objective < b.bound * (1 - 1e-6) || b.objective < a.bound * (1 - 1e-6)))
        console.error(`${name} ${i}: one build's solution is below the other's bound`)
    }
  }
  console.log(`| ${cells.join(' | ')} |`)
}
