// Compares decoding with a KV cache, a state of fixed size and a sliding window over context lengths.
//   npm run build && node bench/long-context.mjs [MODEL] [--batch 8] [--longest 4096]
// Measures the unchanged model, and models with every attention replaced; the values of weights do not affect times. Reports, for each
// context length, the median time of steps that all models take in turn, and the size of the state.
import { join, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Decoder, layerFacts, median, openModel, replaceBlocks, stateShapes } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'

const option = (name, fallback) => {
  const at = process.argv.indexOf(name)
  return at > 0 ? Number(process.argv[at + 1]) : fallback
}
const batch = option('--batch', 8)
const longest = option('--longest', 4096)
const given = process.argv[2]?.startsWith('--') ? undefined : process.argv[2]
const folder = given ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'examples/quickstart/parent')
const blocks = makeBlocks()
const parent = await openModel(folder, blocks)
const { headDim, kvHeads, layers } = parent.config

async function everywhere(block, params) {
  const type = blocks.get('attention', block)
  const replacements = await Promise.all(
    Array.from({ length: layers }, async (_, layer) => {
      const { norm, ...attention } = await parent.weights(layer, 'attention')
      const initial = await type.initialise(attention, layerFacts(parent.config, layer), params, {})
      return { layer, slot: 'attention', block, params, weights: { norm, ...initial } }
    }),
  )
  return replaceBlocks(parent, replacements)
}
const models = {
  parent,
  [`linear-attention-${headDim}`]: await everywhere('linear-attention', { features: headDim, kvHeads }),
  [`linear-attention-${headDim / 2}`]: await everywhere('linear-attention', { features: headDim / 2, kvHeads }),
  'sliding-window-64': await everywhere('sliding-window', { window: 64, kvHeads }),
}

/** Bytes of state of all sequences after a number of tokens. */
const stateBytes = (model, tokens) =>
  stateShapes(model).reduce((sum, { shape }) => {
    const rows = shape.kind === 'per-token' ? tokens : shape.kind === 'window' ? Math.min(shape.window, tokens) : 1
    return sum + 4 * batch * rows * shape.shape.reduce((a, b) => a * b, 1)
  }, 0)

const steps = 24
const names = Object.keys(models)
console.log(`batch ${batch}, one thread; milliseconds per step (all sequences), and MiB of state`)
console.log(['context', ...names.flatMap((name) => [name, 'MiB']), 'parent / linear'].join(' | '))
for (let context = 128; context <= longest; context *= 2) {
  const prompt = Int32Array.from({ length: batch * context }, (_, i) => (i * 7919) % parent.config.vocabulary)
  const decoders = {}
  const last = {}
  for (const name of names) {
    decoders[name] = await Decoder.create(models[name], { batch })
    last[name] = (await decoders[name].prefill(prompt)).best
  }
  const times = Object.fromEntries(names.map((name) => [name, []]))
  for (let step = 0; step < steps; step++)
    for (const name of names) {
      const begin = performance.now()
      last[name] = (await decoders[name].step(last[name])).best
      if (step > 3) times[name].push(performance.now() - begin)
    }
  for (const name of names) await decoders[name].release()
  const milliseconds = names.map((name) => median(times[name]))
  const cells = names.flatMap((name, i) => [
    milliseconds[i].toFixed(2),
    (stateBytes(models[name], context) / 2 ** 20).toFixed(1),
  ])
  console.log([context, ...cells, `${(milliseconds[0] / milliseconds[1]).toFixed(2)}x`].join(' | '))
}
