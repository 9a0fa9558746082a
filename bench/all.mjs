// `npm run bench`: runs the benchmarks that need no model but the quickstart's, one after the other, and writes bench/results.md with
// what each of them printed. The page is written anew after each; sections that were not run again keep their figures, and say
// where those are from. A machine that does nothing else gives the best figures.
//   npm run bench -- [--only solver,head] [--list] [--kept]
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, install, root } from '../scripts/setup.mjs'

const parent = 'examples/quickstart/parent'
/** In this order. */
const suite = [
  { name: 'training-rate', title: 'Training, against onnxruntime’s MatMul' },
  { name: 'decoding', title: 'Decoding outside kernels' },
  { name: 'head', title: 'The head', args: [parent] },
  { name: 'quantised', title: 'Blocks in 8 and 4 bits' },
  { name: 'quantised-kernels', title: 'Kernels for 8 bits' },
  { name: 'long-context', title: 'Caches, states and windows, by length of context' },
  { name: 'onnx-export', title: 'An exported ONNX graph' },
  { name: 'llama-cpp', title: 'Beside llama.cpp' },
  { name: 'uptrain-memory', title: 'Uptraining layer by layer, against one graph', args: ['--compare'] },
  { name: 'solver', title: 'The solver' },
  { name: 'plan-scale', title: 'Planning 80 layers with 54 variants each' },
  { name: 'many-tasks', title: 'A stage of 4,320 tasks', args: ['4320', '8'] },
  { name: 'fairness', title: 'A small search beside a large one' },
  { name: 'server-share', title: 'What server and worker take of a core' },
  { name: 'predictions', title: 'Predicted and measured costs' },
  { name: 'predictions', title: 'Predicted and measured costs, beside a busy core', args: ['--noise'] },
].map(({ args = [], ...own }) => ({
  ...own,
  args,
  id: [own.name, ...args.map((arg) => arg.replace(/\W+/g, ''))].join('-'),
}))

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    kept: { type: 'boolean', default: false },
  },
})
const only = values.only?.split(',').map((name) => name.trim())
const unknown = only?.find((own) => !suite.some(({ name }) => name === own))
if (unknown !== undefined) {
  console.error(
    `--only: there is no benchmark "${unknown}". There are: ${[...new Set(suite.map(({ name }) => name))].join(', ')}.`,
  )
  process.exit(2)
}
const folder = join(root, 'runs/bench')
const fileOf = ({ id }) => join(folder, `${id}.json`)

if (values.list)
  for (const { name, args, title } of suite) console.log(`${[name, ...args].join(' ').padEnd(44)} ${title}`)
else {
  install()
  build()
  // What it imports is compiled now.
  const { commit, machine, today } = await import('./about.mjs')
  const { writePage, writeWhole } = await import('./pages.mjs')
  const write = () => writePage(join(root, 'bench/results.md'), page())
  const failed = []
  for (const bench of values.kept ? [] : suite.filter(({ name }) => only?.includes(name) ?? true)) {
    const command = ['node', `bench/${bench.name}.mjs`, ...bench.args]
    console.error(`${bench.title}: ${command.join(' ')}`)
    const about = { commit: commit(), date: today(), machine: machine(), load: loadavg()[0] / availableParallelism() }
    const began = performance.now()
    const { code, text } = await outputOf(command)
    const seconds = (performance.now() - began) / 1000
    if (code === 0) writeWhole(fileOf(bench), JSON.stringify({ ...about, command: command.join(' '), seconds, text }))
    else failed.push(`${bench.title}: exit code ${code}`)
    await write()
  }
  await write()
  for (const line of failed) console.error(line)
  if (failed.length > 0) process.exitCode = 1
}

/** Runs a command in the project's root; errors and progress go to the terminal. @returns its exit code, and what it printed */
function outputOf([program, ...args]) {
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (data) => {
    text += data
    process.stdout.write(data)
  })
  return new Promise((done, fail) => child.on('error', fail).on('close', (code) => done({ code, text })))
}

/** The page: all benchmarks with figures. */
function page() {
  const known = suite.flatMap((bench) =>
    existsSync(fileOf(bench)) ? [{ ...bench, ...JSON.parse(readFileSync(fileOf(bench), 'utf8')) }] : [],
  )
  const left = suite.filter(({ id }) => !known.some((own) => own.id === id)).map(({ title }) => title)
  const sections = known.flatMap(({ title, command, seconds, text, commit, date, machine, load }) => [
    `## ${title}`,
    '',
    `\`${command}\`: ${date}, commit ${commit}, ${seconds.toFixed(0)} s; load before it ${load.toFixed(2)} a core. ${machine}.`,
    '',
    '```text',
    text.replaceAll(root, '.').trimEnd(),
    '```',
    '',
  ])
  return [
    '# Benchmarks',
    '',
    '`npm run bench` writes this page: what each benchmark printed, unedited. The first lines of each script say what it measures and how. Compare ratios rather than times: machines differ, and are shared.',
    '',
    ...(left.length > 0 ? [`Not measured: ${left.join('; ')}.`, ''] : []),
    ...sections,
  ].join('\n')
}
