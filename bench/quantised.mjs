// Measures time and memory of weights quantised to 8 and 4 bits: blocks of a medium-sized model, decoded token by token.
//   npm run build && node bench/quantised.mjs
// Decoders with N and with 2N copies of a block take steps in turn, for all types of weights in one run; the difference is N
// blocks. The fastest step counts, since other load only ever adds time and steps are short enough for some to be undisturbed.
// Speeds are relative to float32. Memory is what `memoryBytes` counts for a block's weights. `resident` is how much more
// memory a process holds per copy of the block (in a separate process for each type), which includes the weights that the
// session rearranged and those that it was made from.
import { fork } from 'node:child_process'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { Decoder, parseConfig, slotBytes, slotShapes } from '../dist/model/index.js'

const [hidden, intermediate, copies, prompt, rounds, steps] = [768, 2048, 3, 32, 8, 25]
const kinds = ['float32', 'int8', 'int4']
const parts = {
  attention: { block: 'grouped-query', params: { kvHeads: 4 } },
  ffn: { block: 'swiglu', params: { width: intermediate } },
}
const blocks = makeBlocks()

function stacked(slot, kind, layers) {
  const fields = {
    model_type: 'llama',
    vocab_size: 256,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: 12,
    num_key_value_heads: 4,
    intermediate_size: intermediate,
  }
  const empty = { block: 'no-op', params: {} }
  const { block, params } = parts[slot]
  const choice = { block, params: kind === 'float32' ? params : { ...params, weights: kind } }
  const layer = { attention: empty, ffn: empty, [slot]: choice }
  const config = { ...parseConfig(JSON.stringify(fields), 'bench'), blocks: Array(layers).fill(layer) }
  let seed = 1
  const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5) * 0.1
  const data = (size) => Float32Array.from({ length: size }, random)
  return {
    folder: '',
    config,
    blocks,
    embedding: async () => data(256 * hidden),
    norm: async () => data(hidden),
    head: async () => data(256 * hidden),
    weights: async (at, slotOf) =>
      Object.fromEntries(
        Object.entries(slotShapes(config, at, slotOf, blocks)).map(([name, shape]) => [
          name,
          { shape, data: data(shape.reduce((a, b) => a * b)) },
        ]),
      ),
  }
}

const [, , role, slot, kind] = process.argv
if (role === 'resident') {
  global.gc()
  const before = process.memoryUsage().rss
  const decoder = await Decoder.create(stacked(slot, kind, 2 * copies), { batch: 1 })
  await decoder.prefill(Int32Array.of(1, 2))
  await decoder.step(Int32Array.of(3))
  global.gc()
  process.send((process.memoryUsage().rss - before) / (2 * copies))
} else await compare()

async function compare() {
  for (const slot of ['attention', 'ffn'])
    for (const batch of [1, 16]) {
      const models = kinds.flatMap((kind) => [copies, 2 * copies].map((layers) => stacked(slot, kind, layers)))
      const times = await fastest(models, batch)
      const block = (n, phase) => (times[2 * n + 1][phase] - times[2 * n][phase]) / copies
      for (const [n, kind] of kinds.entries()) {
        const step = (at) => block(at, 'step')
        const bytes = (weights) => slotBytes(stacked(slot, weights, 1), 0, slot)
        const resident = batch === 1 ? await residentBytes(slot, kind) : undefined
        console.log(
          `${slot.padEnd(9)} batch ${String(batch).padEnd(2)} ${kind.padEnd(7)}` +
            `  token ${step(n).toFixed(3)} ms (${(step(0) / step(n)).toFixed(2)}x)` +
            `  prefill ${block(n, 'prefill').toFixed(2)} ms (${(block(0, 'prefill') / block(n, 'prefill')).toFixed(2)}x)` +
            `  weights ${(bytes(kind) / 1e6).toFixed(2)} MB (${(bytes(kind) / bytes('float32')).toFixed(3)})` +
            (resident === undefined ? '' : `  resident ${(resident / 1e6).toFixed(1)} MB`),
        )
      }
    }
}

/** The fastest prefill and the fastest step of each model, in milliseconds. */
async function fastest(models, batch) {
  const decoders = []
  for (const model of models) decoders.push(await Decoder.create(model, { batch }))
  const times = models.map(() => ({ prefill: Infinity, step: Infinity }))
  const timed = async (i, phase, work) => {
    const begin = performance.now()
    await work()
    times[i][phase] = Math.min(times[i][phase], performance.now() - begin)
  }
  const ids = (count) => Int32Array.from({ length: batch * count }, (_, i) => i % 256)
  for (let round = 0; round < rounds; round++) {
    for (const [i, decoder] of decoders.entries()) await timed(i, 'prefill', () => decoder.prefill(ids(prompt)))
    for (let n = 0; n < steps; n++)
      for (const [i, decoder] of decoders.entries()) await timed(i, 'step', () => decoder.step(ids(1)))
  }
  for (const decoder of decoders) await decoder.release()
  return times
}

function residentBytes(slot, kind) {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1], ['resident', slot, kind], { execArgv: ['--expose-gc'] })
    child.once('message', resolve)
    child.once('error', reject)
    child.once('exit', (code) => code !== 0 && reject(new Error(`exit code ${code}`)))
  })
}
