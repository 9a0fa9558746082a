// Compares size and speed of an exported ONNX graph in onnxruntime-node with puzzleflow's decoder.
//   npm run build && node bench/onnx-export.mjs [MODEL]
// Both decode the same tokens on one thread and in turn, so that other load affects both; the fastest of several passes counts.
// Greedy tokens must be equal. The graph computes logits of all tokens and returns whole caches, which onnxruntime-node copies at
// every step; the decoder returns only the last logits and the new rows.
import * as ort from '../dist/tensor/engine.js'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Decoder, openModel, writeOnnx } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'

const passes = 5

const folder = process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'examples/quickstart/parent')
const model = await openModel(folder, makeBlocks())
const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-onnx-'))

const kilobytes = (path) => (statSync(path).size / 1e3).toFixed(0)
for (const dtype of ['float32', 'float16']) {
  const start = performance.now()
  await writeOnnx(model, join(scratch, dtype), { dtype })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${dtype}: model.onnx ${kilobytes(join(scratch, dtype, 'model.onnx'))} kB, written in ${seconds} s`)
}
const about = JSON.parse(readFileSync(join(scratch, 'float32', 'config.json'), 'utf8')).puzzleflow.onnx
const session = await ort.InferenceSession.create(join(scratch, 'float32', 'model.onnx'), {
  intraOpNumThreads: 1,
  logSeverityLevel: 3,
})

const largest = (row) => row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity))

/** Times the exported graph: milliseconds of the prompt and of all steps, and the tokens. */
async function ofGraph(ids, batch, steps) {
  let state = Object.fromEntries(
    about.states.map(({ input, shape }) => {
      const dims = shape.map((d) => (d === 'batch_size' ? batch : typeof d === 'number' ? d : 0))
      return [input, new ort.Tensor('float32', new Float32Array(dims.reduce((n, d) => n * d, 1)), dims)]
    }),
  )
  let seen = 0
  const read = async (chunk) => {
    const length = chunk.length / batch
    seen += length
    const out = await session.run({
      ...state,
      input_ids: new ort.Tensor('int64', BigInt64Array.from(chunk, BigInt), [batch, length]),
      attention_mask: new ort.Tensor('int64', new BigInt64Array(batch * seen).fill(1n), [batch, seen]),
    })
    state = Object.fromEntries(about.states.map(({ input, output }) => [input, out[output]]))
    const vocabulary = out.logits.dims[2]
    return Array.from({ length: batch }, (_, row) => {
      const end = (row + 1) * length * vocabulary
      return largest(out.logits.data.subarray(end - vocabulary, end))
    })
  }
  return timed((chunk) => read(chunk), ids, steps)
}

async function ofDecoder(decoder, ids, steps) {
  const read = (chunk, first) => (first ? decoder.prefill(chunk) : decoder.step(chunk))
  return timed(async (chunk, first) => [...(await read(Int32Array.from(chunk), first)).best], ids, steps)
}

async function timed(read, ids, steps) {
  const start = performance.now()
  let next = await read(ids, true)
  const between = performance.now()
  const tokens = [next]
  for (let i = 0; i < steps; i++) tokens.push((next = await read(next, false)))
  return { prompt: between - start, steps: performance.now() - between, tokens }
}

for (const batch of [1, 16])
  for (const [prompt, steps] of [
    [32, 64],
    [200, 64],
  ]) {
    const ids = Array.from({ length: batch * prompt }, (_, i) => 3 + ((i * 7919) % (model.config.vocabulary - 3)))
    const decoder = await Decoder.create(model, { batch, threads: 1 })
    const least = { graph: { prompt: Infinity, steps: Infinity }, decoder: { prompt: Infinity, steps: Infinity } }
    for (let pass = 0; pass < passes; pass++) {
      const all = { graph: await ofGraph(ids, batch, steps), decoder: await ofDecoder(decoder, ids, steps) }
      if (JSON.stringify(all.graph.tokens) !== JSON.stringify(all.decoder.tokens)) throw new Error('tokens differ')
      for (const engine of ['graph', 'decoder'])
        for (const phase of ['prompt', 'steps'])
          least[engine][phase] = Math.min(least[engine][phase], all[engine][phase])
    }
    await decoder.release()
    const rate = (engine) => (batch * steps * 1000) / least[engine].steps
    const ratio = (phase) => (least.decoder[phase] / least.graph[phase]).toFixed(2)
    console.log(
      `batch ${batch}, prompt ${prompt}: graph ${rate('graph').toFixed(0)} tokens/s, decoder ${rate('decoder').toFixed(0)}, ` +
        `ratio ${ratio('steps')}; prompt ${least.graph.prompt.toFixed(1)} ms and ${least.decoder.prompt.toFixed(1)} ms, ratio ${ratio('prompt')}`,
    )
  }
await session.release()
rmSync(scratch, { recursive: true })
