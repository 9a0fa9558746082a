// Writes a model as a float32 GGUF file and compares stock llama.cpp with puzzleflow's decoder: logits after prompts, and greedy
// continuations. Prompts are excerpts of docs/*.md, or token ids if the model has no tokenizer; some are long.
//   npm run build && node bench/gguf-write.mjs MODEL [prompts, default 20] [tokens of the long ones, default 640]
// Finds node-llama-cpp in the same way as `engine: llama.cpp` (docs/exports.md).
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Decoder, findLlamaCpp, openModel, Tokenizer, writeGguf } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'

const root = dirname(import.meta.dirname)
const [folder = join(root, 'examples/quickstart/parent'), count = '20', long = '640'] = process.argv.slice(2)
const greedy = 16

const model = await openModel(folder, makeBlocks())
const longest = Math.min(Number(long), model.config.maxPositions - greedy)
const texts = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => readFileSync(join(root, 'docs', name), 'utf8'))
const idsOf = promptIds()
// Every fifth prompt is long.
const prompts = Array.from({ length: Number(count) }, (_, i) => idsOf(i).slice(0, i % 5 === 4 ? longest : 8 + 3 * i))

function promptIds() {
  let tokenizer
  try {
    tokenizer = Tokenizer.open(folder)
  } catch {
    // Token ids will do.
  }
  // A tokenizer with a small vocabulary would map most words to the unknown token.
  if (tokenizer?.size > 1000) return (i) => tokenizer.encode(texts[i % texts.length].slice(100 * i))
  return (i) => Array.from({ length: longest }, (_, t) => (3 + 7919 * t + 104729 * i) % model.config.vocabulary)
}

const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-gguf-'))
try {
  const path = join(scratch, 'model.gguf')
  const start = performance.now()
  await writeGguf(model, path, { tokenizer: 'ids' })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${(statSync(path).size / 1e6).toFixed(1)} MB written in ${seconds} s`)
  const packages = dirname(dirname(dirname(dirname(findLlamaCpp().entry))))
  const question = { packages, model: path, sequences: prompts, logits: prompts.length, last: 1, greedy }
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'test/gguf/run-llama.mjs')], {
    input: JSON.stringify({ ...question, contextSize: Math.max(...prompts.map(({ length }) => length)) + greedy + 1 }),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  })
  if (status !== 0) throw new Error(stderr)
  const theirs = JSON.parse(stdout)
  let [worst, same] = [0, 0]
  const decoder = await Decoder.create(model, { batch: 1, logits: true })
  for (const [i, prompt] of prompts.entries()) {
    let next = await decoder.prefill(Int32Array.from(prompt))
    const [size, difference] = compare(next.logits, theirs.logits[i][0])
    worst = Math.max(worst, difference / size)
    const continuation = []
    while (continuation.length < greedy) {
      continuation.push(next.best[0])
      next = await decoder.step(Int32Array.of(next.best[0]))
    }
    const different = continuation.findIndex((id, t) => id !== theirs.greedy[i][t])
    if (different < 0) same++
    else console.log(`prompt ${i} (${prompt.length} tokens): continuations differ from token ${different}`)
  }
  await decoder.release()
  console.log(`${prompts.length} prompts of ${prompts.map(({ length }) => length).join(', ')} tokens`)
  console.log(`logits differ by at most ${worst.toExponential(1)} of the largest`)
  console.log(`${same} of ${prompts.length} greedy continuations of ${greedy} tokens are equal`)
} finally {
  rmSync(scratch, { recursive: true })
}

function compare(ours, theirs) {
  let [size, difference] = [0, 0]
  ours.forEach((value, i) => {
    size = Math.max(size, Math.abs(value))
    difference = Math.max(difference, Math.abs(value - theirs[i]))
  })
  return [size, difference]
}
