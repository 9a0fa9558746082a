// Measures every built-in block type on the quickstart's parent and writes docs/blocks.md.
//   npm run build && node bench/blocks.mjs [--store FOLDER]
// Runs a search over variants of every block type up to the stage `score`: each is timed, distilled and scored in every layer
// of the parent. Figures are means over the layers. With the store of an earlier run, only new variants are computed.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtInBlocks } from '../dist/plugins/blocks/index.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const quickstart = join(root, 'examples/quickstart')
const at = process.argv.indexOf('--store')
const store = at > 0 ? process.argv[at + 1] : mkdtempSync(join(tmpdir(), 'puzzleflow-blocks-'))
const scenario = { batch: 16, prefill: 32, generate: 64 }
const tokens = '42k'

const spec = {
  apiVersion: 'puzzleflow/v1',
  name: 'blocks',
  model: join(quickstart, 'parent'),
  data: {
    train: { path: join(quickstart, 'data/train.jsonl') },
    validate: { path: join(quickstart, 'data/validate.jsonl') },
    sequenceLength: 96,
  },
  space: {
    attention: [
      'parent',
      { block: 'grouped-query', kvHeads: [3, 2, 1], heads: ['mean', 'kept'] },
      { block: 'fewer-heads', heads: [4, 2] },
      { block: 'sliding-window', window: [32, 8] },
      { block: 'linear-attention', features: [32, 16] },
      { block: 'gated-linear-attention', features: 32 },
      { block: 'latent-attention', rank: [64, 32] },
      { block: 'linear' },
      'no-op',
    ],
    ffn: [
      'parent',
      { block: 'swiglu', width: ['50%', '25%'], channels: ['contribution', 'iterative'] },
      { block: 'low-rank', rank: ['50%', '25%'] },
      { block: 'linear' },
      'no-op',
    ],
  },
  target: { scenario },
  seed: 1,
  pipeline: 'puzzle',
  stages: {
    capture: { sequences: 512, validateSequences: 96 },
    distill: { tokens, batch: 8, besideNoOp: 'none' },
    score: { sequences: 48, pairs: 0 },
  },
}

const file = join(store, 'blocks.yaml')
writeFileSync(file, JSON.stringify(spec, null, 2))
const puzzleflow = (...args) =>
  execFileSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args, '--store', store], {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  }).toString()
puzzleflow('run', file, '--until', 'score', '--json')
const rows = JSON.parse(puzzleflow('scores', 'blocks', '--json'))
const costFile = join(store, 'costs.json')
puzzleflow('profile', 'blocks', '-o', costFile)
const costs = JSON.parse(readFileSync(costFile, 'utf8'))

// Records of the distillation tasks hold the seconds that they took.
const seconds = new Map()
for (const name of readdirSync(join(store, 'records'), { recursive: true })) {
  if (!name.endsWith('.json')) continue
  const record = JSON.parse(readFileSync(join(store, 'records', name), 'utf8'))
  for (const { slot, variant, layer, beside } of [record.outputs?.values?.entries ?? []].flat())
    if (beside === 'parent' && record.seconds > 0) seconds.set(`${layer}/${slot}/${variant}`, record.seconds)
}

const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : NaN)
const groups = new Map()
for (const row of rows) {
  if (row.slot === 'block') continue
  const key = `${row.slot}/${row[row.slot]}`
  groups.set(key, [...(groups.get(key) ?? []), row])
}
const number = (value, digits = 3) => (Number.isFinite(value) ? Number(value.toPrecision(digits)).toString() : '')
const table = (slot) => {
  const variants = [[`${slot}/parent`, []], ...[...groups].filter(([key]) => key.startsWith(`${slot}/`))]
  const lines = variants.map(([key, list]) => {
    const variant = key.slice(slot.length + 1)
    const cost = (name) => costs[slot][variant][name]
    const before = list.map((row) => row.kl_before_distillation).filter((kl) => kl !== null)
    const times = list.map((row) => seconds.get(`${row.layer}/${slot}/${variant}`)).filter((s) => s !== undefined)
    return [
      `\`${variant}\``,
      number(cost('parameters'), 4),
      number(cost('memoryBytes') / 2 ** 20),
      number(cost('prefillSeconds') * 1e3),
      number(cost('decodeSeconds') * 1e3),
      number(mean(before)),
      list.length ? number(mean(list.map((row) => row.kl))) : '0',
      number(mean(times), 2),
    ]
  })
  const head = [
    'variant',
    'parameters',
    'memory, MiB',
    'prefill, ms',
    'decode, ms',
    'KL before',
    'KL after',
    'distillation, s',
  ]
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

const describe = ({ name, about }) =>
  [
    `### \`${name}\``,
    about.summary,
    about.initialisation && `**Initial weights.** ${about.initialisation}`,
    about.source && `**Source.** ${about.source}`,
    about.pays && `**When to use it.** ${about.pays}`,
  ]
    .filter(Boolean)
    .join('\n\n')
const section = (slot) =>
  builtInBlocks
    .filter((type) => type.slot === slot)
    .map(describe)
    .join('\n\n')

const text = `# Block types

This page is generated by \`node bench/blocks.mjs\`: descriptions come from the block types themselves, figures are measured. The
editor's completion (\`puzzleflow schema\`) and \`puzzleflow plugins ls\` list the parameters of each type.

## Measured on the quickstart's parent

All figures are means over the parent's 8 layers (hidden size 192, 6 heads of dimension 32, intermediate size 512, float32). Memory is a
block's weights and state for ${scenario.batch} sequences with ${scenario.prefill} prompt tokens and ${scenario.generate} generated tokens; times are for the same scenario, on one thread.
KL is per token, relative to the parent with only that block replaced: with the training-free weights, and after distillation on
${tokens} tokens. These contexts are short, so blocks made for long contexts show their price but not their benefit; see
[long contexts](long-context.md) for that.

### Attention

${table('attention')}

### FFN

${table('ffn')}

## Attention

${section('attention')}

## FFN

${section('ffn')}
`
writeFileSync(join(root, 'docs/blocks.md'), text)
console.log(`${relative(process.cwd(), join(root, 'docs/blocks.md'))} written; store: ${store}`)
