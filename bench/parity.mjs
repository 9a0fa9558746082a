// Measures how closely models agree with their references. For every checkpoint folder with a reference.safetensors (input_ids,
// logits, greedy), prints a row of a Markdown table; a rejected checkpoint is listed with the reason. Each checkpoint is read, and
// written in every format of `puzzleflow export`:
//   import  largest error of a logit relative to the largest logit, and whether the greedy continuation is equal
//   hf      whether all tensors are byte-identical, and whether the reopened folder gives bit-identical logits
//   onnx    like import, for the graph in onnxruntime: the whole prompt, then token by token with its cache
//   others  like import, for the model read back from the file
//   npm run build && node bench/parity.mjs FOLDER
// Exits with 1 if a supported checkpoint is off by more than 2e-4 of the largest logit or continues differently.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as ort from '../dist/tensor/engine.js'
import {
  cacheWeights,
  Decoder,
  embed,
  exportFormats,
  Forward,
  Head,
  openModel,
  SafetensorsFile,
  storedType,
} from '../dist/model/index.js'
import { Failure } from '../dist/api/index.js'
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
  console.error(`${root} does not have a folder with a reference.safetensors.`)
  process.exit(2)
}

/** Logits at all positions of the reference's sequences. */
async function logitsOf(model, { input_ids: input }) {
  const [batch, length] = input.dims
  const { hidden, layers, vocabulary } = model.config
  const forward = new Forward(batch, length)
  const head = await Head.create(model)
  const ids = Int32Array.from(input.data, Number)
  const x = await forward.layers(model, embed(await model.embedding(), model.config, ids), 0, layers)
  const all = new Float32Array(ids.length * vocabulary)
  for await (const { start, count, logits } of head.logits(x))
    all.set(logits.subarray(0, count * vocabulary), start * vocabulary)
  await forward.release()
  await head.release()
  return all
}

/** The largest error relative to the largest logit. */
function errorOf(logits, { logits: expected }) {
  if (logits.length !== expected.data.length) return Infinity
  let [error, largest] = [0, 0]
  for (const [i, value] of expected.data.entries()) {
    error = Math.max(error, Math.abs(value - logits[i])) // NaN stays NaN
    largest = Math.max(largest, Math.abs(value))
  }
  return error / largest
}

/** Whether decoding with state continues the first 8 tokens like the reference. */
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

/** A cell of the table: whether it passes, and its text. */
const measured = (error, equal) => [
  error <= tolerance && equal,
  `${error.toExponential(1)}, ${equal ? 'equal' : 'DIFFERENT'}`,
]

/** Compares the exported Hugging Face folder with the original. */
async function compareFolders(model, folder, tensors) {
  const files = (at) => readdirSync(at).filter((name) => /^model.*\.safetensors$/.test(name))
  const bytes = async (at) => {
    const all = new Map()
    for (const name of files(at)) {
      const file = await SafetensorsFile.open(join(at, name))
      const start = 8 + Number(readFileSync(file.path).readBigUInt64LE())
      const header = JSON.parse(readFileSync(file.path).subarray(8, start).toString())
      for (const [tensor, { data_offsets: [from, to] = [0, 0] }] of Object.entries(header))
        if (file.tensors.has(tensor)) all.set(tensor, readFileSync(file.path).subarray(start + from, start + to))
    }
    return all
  }
  const [before, after] = [await bytes(model.folder), await bytes(folder)]
  const same = [...after].every(([name, data]) => before.get(name)?.equals(data)) && after.size > 0
  const [originalLogits, exportedLogits] = [
    await logitsOf(model, tensors),
    await logitsOf(cacheWeights(await openModel(folder, blocks)), tensors),
  ]
  const equal = Buffer.from(originalLogits.buffer).equals(Buffer.from(exportedLogits.buffer))
  return [same && equal, `tensors ${same ? 'identical' : 'DIFFERENT'}, logits ${equal ? 'bit-identical' : 'DIFFERENT'}`]
}

/** Runs the exported graph in onnxruntime. */
async function runGraph(folder, { input_ids: input, logits: expected, greedy }) {
  const { puzzleflow } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
  const session = await ort.InferenceSession.create(join(folder, puzzleflow.onnx.file), { logSeverityLevel: 3 })
  const start = (batch) =>
    Object.fromEntries(
      puzzleflow.onnx.states.map(({ input: name, shape }) => {
        const dims = shape.map((d) => (d === 'batch_size' ? batch : typeof d === 'number' ? d : 0))
        return [name, new ort.Tensor('float32', new Float32Array(dims.reduce((n, d) => n * d, 1)), dims)]
      }),
    )
  const read = async (state, ids, batch, past) => {
    const length = ids.length / batch
    const ints = (data, columns) => new ort.Tensor('int64', BigInt64Array.from(data, BigInt), [batch, columns])
    const mask = ints(new Array(batch * (past + length)).fill(1), past + length)
    const out = await session.run({ ...state, input_ids: ints(ids, length), attention_mask: mask })
    for (const { input: name, output } of puzzleflow.onnx.states) state[name] = out[output]
    return out.logits.data
  }
  const [batch] = input.dims
  const error = errorOf(await read(start(batch), [...input.data], batch, 0), { logits: expected })
  const vocabulary = expected.dims.at(-1)
  const state = start(1)
  let logits = await read(state, [...input.data.slice(0, 8)], 1, 0)
  let equal = true
  for (const [i, token] of [...greedy.data].entries()) {
    const row = logits.subarray(logits.length - vocabulary)
    equal &&= row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity)) === Number(token)
    logits = await read(state, [token], 1, 8 + i)
  }
  await session.release()
  return measured(error, equal)
}

/** Exports a model to a format and checks the result. */
async function exported(model, format, tensors, folder) {
  const { write, dtypes } = exportFormats[format]
  const dtype = await storedType(model)
  await write(model, folder, format === 'hf' || dtypes.includes(dtype) ? (dtype ?? 'float32') : 'float32')
  if (format === 'hf') return compareFolders(model, folder, tensors)
  if (format === 'onnx') return runGraph(folder, tensors)
  const file = existsSync(join(folder, 'config.json')) ? folder : join(folder, readdirSync(folder)[0])
  const reopened = cacheWeights(await openModel(file, blocks))
  return measured(errorOf(await logitsOf(reopened, tensors), tensors), await continuesEqually(reopened, tensors))
}

const blocks = makeBlocks()
const formats = Object.keys(exportFormats)
const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-parity-'))
let failed = false
const rows = []
for (const name of names) {
  const folder = join(root, name)
  let model
  try {
    model = cacheWeights(await openModel(folder, blocks))
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'InvalidInput') throw error
    rows.push([
      name,
      `rejected: ${error.message.replaceAll(`${folder}/`, '').replaceAll('|', '\\|')}`,
      ...formats.map(() => '–'),
    ])
    continue
  }
  const { tensors } = await readTensors(join(folder, 'reference.safetensors'))
  const cells = [measured(errorOf(await logitsOf(model, tensors), tensors), await continuesEqually(model, tensors))]
  for (const format of formats) {
    try {
      cells.push(await exported(model, format, tensors, join(scratch, `${name}-${format}`)))
    } catch (error) {
      // Formats reject models that they cannot represent.
      if (!(error instanceof Failure) || error.kind !== 'InvalidInput') throw error
      const written = existsSync(join(scratch, `${name}-${format}`)) && format !== 'hf'
      const reason = error.message.replaceAll(`${scratch}/`, '').replaceAll(`${root}/`, '').replaceAll('|', '\\|')
      cells.push([true, `${written ? 'written, not read back' : 'rejected'}: ${reason}`])
    }
    rmSync(join(scratch, `${name}-${format}`), { recursive: true, force: true })
  }
  failed ||= !cells.every(([passes]) => passes)
  rows.push([name, ...cells.map(([, text]) => text)])
}
rmSync(scratch, { recursive: true })

const header = ['checkpoint', 'import', ...formats]
for (const row of [header, header.map(() => '---'), ...rows]) console.log(`| ${row.join(' | ')} |`)
process.exitCode = failed ? 1 : 0
