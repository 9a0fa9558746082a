// How much memory and time uptraining takes layer by layer, with the weights of parent and child on disk: a parent of random weights
// is made on the spot (bfloat16), its child has other blocks in three of four layers. Prints the peak of resident memory over all
// processes, and seconds a step. `--compare` trains a smaller model in both ways, in turn, and prints the ratio of their speeds.
//   npm run build && node bench/uptrain-memory.mjs [--steps 3] [--batch 2] [--length 128] [--threads 2] [--folder DIR]
//   npm run build && node bench/uptrain-memory.mjs --compare [--steps 8] [--rounds 3]
import { fork } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { residentBytes } from '../dist/activities/memory.js'
import { cacheWeights, layerFacts, openModel, replaceBlocks } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { parameterCount } from '../dist/puzzle/costs.js'
import { uptrainChild } from '../dist/puzzle/uptraining.js'
import { safetensorsHead } from '../dist/tensor/index.js'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '3' },
    batch: { type: 'string', default: '2' },
    length: { type: 'string', default: '128' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string' },
    compare: { type: 'boolean', default: false },
    job: { type: 'string' },
  },
})

/** TinyLlama's shape, and one that both ways can train. */
const large = { layers: 22, hidden: 2048, intermediate: 5632, heads: 32, kvHeads: 4, vocabulary: 32000 }
const small = { layers: 12, hidden: 512, intermediate: 1408, heads: 8, kvHeads: 2, vocabulary: 8192 }

const bfloat16 = (numbers) => Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16)
const [one] = bfloat16(Float32Array.of(1))

/** Numbers between -1 and 1. */
const noise = Float32Array.from({ length: 262139 }, (_, i) => (Math.sin(12.9898 * i) * 43758.5453) % 1)

/** Writes a Llama with random weights, a tensor at a time. */
async function writeParent(folder, { layers, hidden, intermediate, heads, kvHeads, vocabulary }) {
  const config = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', dtype: 'bfloat16', tie_word_embeddings: false },
    ...{ hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers, vocab_size: vocabulary },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, rms_norm_eps: 1e-5, hidden_act: 'silu' },
    ...{ max_position_embeddings: 2048, bos_token_id: 1, eos_token_id: 2 },
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const kv = (hidden / heads) * kvHeads
  const matrices = [
    ['self_attn.q_proj', [hidden, hidden]],
    ['self_attn.k_proj', [kv, hidden]],
    ['self_attn.v_proj', [kv, hidden]],
    ['self_attn.o_proj', [hidden, hidden]],
    ['mlp.gate_proj', [intermediate, hidden]],
    ['mlp.up_proj', [intermediate, hidden]],
    ['mlp.down_proj', [hidden, intermediate]],
    ['input_layernorm', [hidden]],
    ['post_attention_layernorm', [hidden]],
  ]
  const tensors = [['model.embed_tokens.weight', [vocabulary, hidden]]]
  for (let layer = 0; layer < layers; layer++)
    for (const [name, shape] of matrices) tensors.push([`model.layers.${layer}.${name}.weight`, shape])
  tensors.push(['model.norm.weight', [hidden]], ['lm_head.weight', [vocabulary, hidden]])
  const elements = (shape) => shape.reduce((n, d) => n * d, 1)
  let offset = 0
  const header = {}
  for (const [name, shape] of tensors)
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, (offset += 2 * elements(shape))] }
  const file = await open(join(folder, 'model.safetensors'), 'w')
  await file.writeFile(safetensorsHead(header))
  for (const [, shape] of tensors) {
    const data = new Uint16Array(elements(shape)).fill(one)
    const scale = 1.7 / Math.sqrt(shape.at(-1))
    const numbers = shape.length === 1 ? [] : bfloat16(noise.map((value) => value * scale))
    // Its length is a prime, so rows differ.
    for (let at = 0; at < data.length && numbers.length > 0; at += numbers.length)
      data.set(numbers.subarray(0, data.length - at), at)
    await file.writeFile(new Uint8Array(data.buffer))
  }
  await file.close()
}

/** In three of four layers, the child has a narrower FFN, fewer heads of keys and values, or no attention. */
function childOf(parent) {
  const { blocks, config } = parent
  const filling = (layer, slot, block, params) => ({
    ...{ layer, slot, block, params },
    async weights() {
      const type = blocks.get(slot, block)
      if (type.empty) return {}
      const { norm, ...own } = await parent.weights(layer, slot)
      return { norm, ...(await type.initialise(own, layerFacts(config, layer), params, {})) }
    },
  })
  return replaceBlocks(
    parent,
    config.blocks.flatMap((_, layer) => {
      if (layer % 4 === 1) return [filling(layer, 'ffn', 'swiglu', { width: config.intermediate / 2 })]
      if (layer % 4 === 2) return [filling(layer, 'attention', 'grouped-query', { kvHeads: config.kvHeads / 2 })]
      if (layer % 4 === 3) return [filling(layer, 'attention', 'no-op', {})]
      return []
    }),
  )
}

/** Trains in this process, and says when each step has ended. */
async function train({ folder, steps, batch, length, threads, layerwise }) {
  const parent = cacheWeights(await openModel(join(folder, 'parent'), makeBlocks()))
  const child = childOf(parent)
  const own = mkdtempSync(join(folder, 'training-'))
  const count = batch * steps
  const ids = Int32Array.from({ length: count * length }, (_, i) => 3 + ((i * 7919) % (parent.config.vocabulary - 3)))
  const text = { count, length, ids, mask: new Float32Array(ids.length).fill(1) }
  const begin = performance.now()
  const times = []
  const context = {
    ...{ threads, scratch: own, checkpoint: join(own, 'checkpoint'), signal: new AbortController().signal },
    progress(fraction, message) {
      if (message.endsWith('saved')) times.push((performance.now() - begin) / 1000)
      else if (message.includes('layer 0 forwards')) times[0] ??= (performance.now() - begin) / 1000
    },
  }
  const params = { tokens: steps * batch * length, batch, learningRate: 1e-4, weightDecay: 0.01, seed: 1, layerwise }
  const { loss } = await uptrainChild(parent, child, [], text, params, context, join(own, 'child'))
  const seconds = (performance.now() - begin) / 1000
  rmSync(own, { recursive: true })
  return {
    parameters: [parameterCount(parent), parameterCount(child)],
    times,
    seconds,
    loss,
    peak: process.resourceUsage().maxRSS * 1024,
  }
}

if (values.job !== undefined) {
  process.send(await train(JSON.parse(values.job)))
  process.disconnect()
} else {
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'uptrain-memory-'))
  const [steps, batch, length, threads] = [values.steps, values.batch, values.length, values.threads].map(Number)
  const run = async (job) => {
    const child = fork(fileURLToPath(import.meta.url), ['--job', JSON.stringify({ folder, threads, ...job })])
    let peak = 0
    const clock = setInterval(async () => (peak = Math.max(peak, await residentBytes(process.pid, new Set()))), 1000)
    const result = await new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`The training ended with ${code}`)))
    })
    clearInterval(clock)
    return { ...result, sampled: peak }
  }
  if (!existsSync(join(folder, 'parent/model.safetensors'))) {
    mkdirSync(join(folder, 'parent'), { recursive: true })
    await writeParent(join(folder, 'parent'), values.compare ? small : large)
  }
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
  if (values.compare) {
    const rates = []
    for (let round = 0; round < Number(values.rounds); round++) {
      const job = { steps, batch: 8, length: 128 }
      const whole = await run({ ...job, layerwise: false })
      const layers = await run({ ...job, layerwise: true })
      rates.push(whole.seconds / layers.seconds)
      console.log(
        `${(whole.parameters[0] / 1e6).toFixed(0)} M parameters, ${steps} steps of 1024 tokens: whole ${whole.seconds.toFixed(1)} s, ${gib(whole.peak)}; layer by layer ${layers.seconds.toFixed(1)} s, ${gib(layers.peak)}; losses ${whole.loss.toPrecision(6)} and ${layers.loss.toPrecision(6)}`,
      )
    }
    const median = rates.sort((a, b) => a - b)[rates.length >> 1]
    console.log(`Layer by layer goes at ${(100 * median).toFixed(0)} % of the speed (median of ${rates.length})`)
  } else {
    const { parameters, times, peak, sampled, loss, seconds } = await run({ steps, batch, length, layerwise: true })
    const each = times.slice(1).map((end, i) => end - times[i])
    console.log(`parent ${(parameters[0] / 1e6).toFixed(0)} M parameters, child ${(parameters[1] / 1e6).toFixed(0)} M`)
    console.log(`${steps} steps of ${batch} x ${length} tokens, ${threads} threads, loss ${loss.toPrecision(6)}`)
    console.log(`seconds a step: ${each.map((s) => s.toFixed(1)).join(', ')}; ${seconds.toFixed(0)} in all`)
    console.log(`peak memory: ${gib(peak)} of the training, ${gib(sampled)} sampled over all processes`)
  }
  if (values.folder === undefined) rmSync(folder, { recursive: true })
}
