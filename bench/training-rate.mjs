// Measures how close training comes to onnxruntime's MatMul rate on this machine.
//   npm run build && node bench/training-rate.mjs
// Compares a layer with hidden size 256 (8 heads, 2 KV heads, intermediate size 688) on 8 x 128 tokens, forward and backward, with a
// MatMul of 1024^3, in turn.
import { buildLayer, rotaryConstants, slotShapes } from '../dist/model/index.js'
import { parseConfig } from '../dist/model/hf/read-config.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { gradients, Graph, Session } from '../dist/tensor/index.js'

const [batch, length, hidden, heads, kvHeads, intermediate] = [8, 128, 256, 8, 2, 688]
const blocks = makeBlocks()
const text = {
  model_type: 'llama',
  vocab_size: 8,
  hidden_size: hidden,
  intermediate_size: intermediate,
  num_hidden_layers: 1,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
}
const config = parseConfig(JSON.stringify(text), 'config')
const tokens = batch * length
const random = (shape) => ({
  dtype: 'float32',
  dims: shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.random() - 0.5),
})

const g = new Graph()
const feeds = { x: random([tokens, hidden]), t: random([tokens, hidden]) }
const [x, target] = ['x', 't'].map((name) => g.input(name, 'float32', [tokens, hidden]))
const weights = { attention: {}, ffn: {} }
for (const slot of ['attention', 'ffn'])
  for (const [name, shape] of Object.entries(slotShapes(config, 0, slot, blocks))) {
    weights[slot][name] = g.input(`${slot}.${name}`, 'float32', shape)
    feeds[`${slot}.${name}`] = random(shape)
  }
const context = { batch, length, rotaries: [rotaryConstants(g, config, length, 0)], wantState: false }
const y = buildLayer(g, x, config, 0, blocks, weights, context).x
const all = [...Object.values(weights.attention), ...Object.values(weights.ffn)]
const loss = g.mean(g.square(g.sub(y, target)))
gradients(loss, [x, ...all]).forEach((d, i) => g.output(`d${i}`, d))
const block = await Session.create(g, { threads: 1 })

const m = new Graph()
m.output('y', m.matmul(m.input('a', 'float32', [1024, 1024]), m.input('b', 'float32', [1024, 1024])))
const matmul = await Session.create(m, { threads: 1 })
const square = { a: random([1024, 1024]), b: random([1024, 1024]) }

// Multiply-adds of the matrix products; times 2 for flops, times 3 for forward and backward.
const projections = 2 * hidden * hidden + (2 * hidden * hidden * kvHeads) / heads + 3 * hidden * intermediate
const blockFlops = 3 * 2 * (tokens * projections + 2 * batch * length * length * hidden)
const times = { block: [], matmul: [] }
for (let i = 0; i < 30; i++) {
  let begin = performance.now()
  await block.run(feeds)
  times.block.push(performance.now() - begin)
  begin = performance.now()
  await matmul.run(square)
  times.matmul.push(performance.now() - begin)
}
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const rate = { block: blockFlops / median(times.block) / 1e6, matmul: (2 * 1024 ** 3) / median(times.matmul) / 1e6 }
console.log(
  JSON.stringify({
    blockGflops: +rate.block.toFixed(1),
    matmulGflops: +rate.matmul.toFixed(1),
    ratio: +(rate.block / rate.matmul).toFixed(3),
  }),
)
