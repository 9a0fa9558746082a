// How near models come to the reference: every checkpoint folder with a reference.safetensors (input_ids, logits, greedy),
// as a Markdown table; a checkpoint that is refused is listed with the reason.
//   npm run build && node bench/parity.mjs FOLDER
// Ends with 1 when a checkpoint that is supported is off by more than 2e-4 of the largest logit or continues differently.
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { cacheWeights, Decoder, embed, Forward, Head, openModel } from '../dist/model/index.js'
import { Failure } from '../dist/plugins/api/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { readTensors } from '../dist/tensor/index.js'

const tolerance = 2e-4
const [argument] = process.argv.slice(2)
if (argument === undefined || !existsSync(argument)) {
  console.error('Usage: node bench/parity.mjs FOLDER   (a folder of checkpoint folders with reference.safetensors)')
  process.exit(2)
}
const root = resolve(argument)
const names = readdirSync(root).filter((name) => existsSync(join(root, name, 'reference.safetensors')))
if (names.length === 0) {
  console.error(`${root} has no folder with a reference.safetensors.`)
  process.exit(2)
}

/** Largest error of logits at all positions, relative to the largest logit. */
async function logitError(model, { input_ids: input, logits: expected }) {
  const [batch, length] = input.dims
  const { hidden, layers, vocabulary } = model.config
  const forward = new Forward(batch, length)
  const head = await Head.create(model)
  const ids = Int32Array.from(input.data, Number)
  const x = await forward.layers(model, embed(await model.embedding(), model.config, ids), 0, layers)
  let [error, largest] = [0, 0]
  for await (const { start, count, logits } of head.logits(x))
    for (let i = 0; i < count * vocabulary; i++) {
      const value = expected.data[start * vocabulary + i]
      error = Math.max(error, Math.abs(value - logits[i])) // NaN stays NaN
      largest = Math.max(largest, Math.abs(value))
    }
  await forward.release()
  await head.release()
  return error / largest
}

/** Whether the greedy continuation of the first 8 tokens is the reference's, decoded with state. */
async function continuesEqually(model, { input_ids: input, greedy }) {
  const decoder = await Decoder.create(model, { batch: 1 })
  let next = await decoder.prefill(Int32Array.from(input.data.slice(0, 8), Number))
  let equal = true
  for (const expected of greedy.data) {
    equal &&= next.best[0] === Number(expected)
    next = await decoder.step(Int32Array.of(Number(expected)))
  }
  await decoder.release()
  return equal
}

const blocks = makeBlocks()
let failed = false
const rows = []
for (const name of names) {
  const folder = join(root, name)
  let model
  try {
    model = cacheWeights(await openModel(folder, blocks))
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'InvalidInput') throw error
    rows.push([name, `refused: ${error.message.replaceAll(`${folder}/`, '').replaceAll('|', '\\|')}`, '–', '–'])
    continue
  }
  const { tensors } = await readTensors(join(folder, 'reference.safetensors'))
  const error = await logitError(model, tensors)
  const equal = await continuesEqually(model, tensors)
  const good = error <= tolerance && equal
  failed ||= !good
  rows.push([name, good ? 'supported' : 'WRONG', error.toExponential(1), equal ? 'yes' : 'no'])
}

const header = ['checkpoint', 'result', 'largest logit error / largest logit', 'greedy continuation equal']
for (const row of [header, ['---', '---', '---:', '---'], ...rows]) console.log(`| ${row.join(' | ')} |`)
process.exitCode = failed ? 1 : 0
