// How long a model's head takes for each token, and how much of that tiles of the vocabulary save: `rows` computes whole rows of
// logits, as `generate` and exports need them; `tiles` is what scores, evaluations and tasks use; `compare` is a child's KL from a
// parent that is known already. Medians of five, in turn.
//   npm run build && node bench/head.mjs MODEL [--tokens 1024] [--threads 2]
import { parseArgs } from 'node:util'
import { Head, openModel } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tokens: { type: 'string', default: '1024' }, threads: { type: 'string', default: '2' } },
})
const [file] = positionals
if (file === undefined) {
  console.error('Usage: node bench/head.mjs MODEL [--tokens N] [--threads N]')
  process.exit(2)
}
const [tokens, threads] = [Number(values.tokens), Number(values.threads)]
const model = await openModel(file, makeBlocks())
const { hidden, vocabulary } = model.config
const head = await Head.create(model, threads)
const states = (seed) =>
  Float32Array.from({ length: tokens * hidden }, (_, i) => Math.sin(seed + 12.9898 * i * (1 + (i % 7))))
const [parent, child] = [states(1), states(2)]
const [labels, mask] = [new Int32Array(tokens), new Float32Array(tokens).fill(1)]
await head.compare(parent, child, labels, mask, tokens)
const kinds = {
  rows: async () => {
    for await (const _ of head.logits(child));
  },
  tiles: () => head.answers(child, labels),
  compare: () => head.compare(parent, child, labels, mask, tokens),
}
const seconds = { rows: [], tiles: [], compare: [] }
for (let round = 0; round < 5; round++)
  for (const [kind, work] of Object.entries(kinds)) {
    const began = performance.now()
    await work()
    seconds[kind].push((performance.now() - began) / 1000)
  }
const median = (list) => list.toSorted((a, b) => a - b)[2]
const rows = median(seconds.rows)
console.log(`${vocabulary} x ${hidden}, ${tokens} tokens, ${threads} threads`)
for (const [kind, list] of Object.entries(seconds)) {
  const rate = (2 * vocabulary * hidden * tokens) / median(list) / 1e9
  console.log(
    `${kind.padEnd(8)} ${((1000 * median(list)) / tokens).toFixed(2)} ms a token, ${rate.toFixed(0)} GFLOP/s, ${(rows / median(list)).toFixed(2)}x of rows`,
  )
}
await head.release()
