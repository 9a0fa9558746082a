// Whether a model of 1.1 B parameters goes through a whole search in little memory: a parent of random weights (bfloat16, the shape of
// TinyLlama) is made on the spot, and `puzzleflow run` takes it through all stages with the smallest budgets. Prints seconds and
// the peak of resident memory for each stage, over all processes: command, server, worker and their children.
//   npm run build && node bench/large-model.mjs [--folder DIR] [--set stages.distill.tokens=2k …]
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { residentBytes } from '../dist/activities/memory.js'
import { large, writeParent } from './random-parent.mjs'

const { values } = parseArgs({
  options: { folder: { type: 'string' }, set: { type: 'string', multiple: true, default: [] } },
})
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'large-model-'))
const root = join(import.meta.dirname, '..')
const quickstart = join(root, 'examples/quickstart')
const parent = join(folder, 'parent')
if (!existsSync(join(parent, 'model.safetensors'))) {
  await writeParent(parent, large)
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(quickstart, 'parent', name), join(parent, name))
}
const file = join(folder, 'search.yaml')
writeFileSync(
  file,
  `apiVersion: puzzleflow/v1
name: large-model
model: ./parent
data:
  train: { path: ${join(quickstart, 'data/train.jsonl')} }
  validate: { path: ${join(quickstart, 'data/validate.jsonl')} }
  test: { path: ${join(quickstart, 'data/test.jsonl')} }
  sequenceLength: 64
space:
  attention: [parent]
  ffn: [parent, { block: swiglu, width: [50%] }]
target:
  scenario: { batch: 1, prefill: 32, generate: 8 }
  limits: { parameters: '<= 0.9x' }
  threads: 2
seed: 1
pipeline: puzzle
stages:
  profile: { repetitions: 1, precision: 50%, children: 0 }
  capture: { sequences: 16, validateSequences: 4 }
  distill: { tokens: 1024, batch: 4, besideNoOp: none }
  score: { sequences: 2, pairs: 0, beforeDistillation: false }
  solve: { solutions: 1 }
  refine: false
  evaluate: { sequences: 2, repetitions: 1 }
  select: { sequences: 2, repetitions: 1 }
  uptrain: { tokens: 256, batch: 2 }
  check-child: false
  improve: false
  evaluate-child: { sequences: 2, repetitions: 1 }
`,
)

const sets = values.set.flatMap((text) => ['--set', text])
const run = spawn(
  process.execPath,
  [join(root, 'dist/cli/main.js'), 'run', file, '--store', join(folder, 'store'), ...sets],
  { cwd: folder, env: { ...process.env, XDG_STATE_HOME: join(folder, 'state') }, stdio: ['ignore', 'pipe', 'pipe'] },
)
/** What ran, in the order of its beginning. */
const stages = new Map()
let now = 'start'
const sessions = new Set()
for (const stream of [run.stdout, run.stderr])
  stream.setEncoding('utf8').on('data', (text) => {
    process.stderr.write(text)
    now = /running: ([\w-]+(?:, [\w-]+)*)[^\n]*\n?$/.exec(text)?.[1] ?? now
  })
let last = performance.now()
const clock = setInterval(async () => {
  const bytes = await residentBytes(process.pid, sessions)
  const { seconds = 0, peak = 0 } = stages.get(now) ?? {}
  stages.set(now, { seconds: seconds + (performance.now() - last) / 1000, peak: Math.max(peak, bytes) })
  last = performance.now()
}, 500)
const code = await new Promise((resolve, reject) => run.on('error', reject).on('exit', resolve))
clearInterval(clock)
const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
console.log('stage                      seconds   most memory')
for (const [stage, { seconds, peak }] of stages)
  console.log(`${stage.padEnd(24)} ${seconds.toFixed(0).padStart(9)} ${gib(peak).padStart(13)}`)
console.log(`in all: ${gib(Math.max(...[...stages.values()].map(({ peak }) => peak)))}, exit code ${code}`)
process.exitCode = code
