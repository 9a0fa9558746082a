import type { Blocks } from '../plugins/api/index.js'
import { toFloat16, writeTensors, type Tensor } from '../tensor/index.js'
import { slotShapes, weightName } from './build.js'
import type { Model } from './checkpoint.js'
import type { ModelConfig } from './config.js'

/** How Hugging Face names the weights of a parent's sub-block, and whether they lie as [out, in] there. */
export const huggingFaceNames = {
  attention: {
    norm: ['input_layernorm.weight', false],
    q: ['self_attn.q_proj.weight', true],
    k: ['self_attn.k_proj.weight', true],
    v: ['self_attn.v_proj.weight', true],
    o: ['self_attn.o_proj.weight', true],
    'q.bias': ['self_attn.q_proj.bias', false],
    'k.bias': ['self_attn.k_proj.bias', false],
    'v.bias': ['self_attn.v_proj.bias', false],
    'o.bias': ['self_attn.o_proj.bias', false],
  },
  ffn: {
    norm: ['post_attention_layernorm.weight', false],
    gate: ['mlp.gate_proj.weight', true],
    up: ['mlp.up_proj.weight', true],
    down: ['mlp.down_proj.weight', true],
    'gate.bias': ['mlp.gate_proj.bias', false],
    'up.bias': ['mlp.up_proj.bias', false],
    'down.bias': ['mlp.down_proj.bias', false],
  },
} as const satisfies Record<string, Record<string, readonly [string, boolean]>>

/** [rows, columns] to [columns, rows]. */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!
  return out
}

/** Name and orientation of a weight in a checkpoint: Hugging Face's for the parent's block types, our own for others. */
export function checkpointName(
  config: ModelConfig,
  layer: number,
  slot: 'attention' | 'ffn',
  weight: string,
): { name: string; transpose: boolean } {
  const own = config.blocks[layer]![slot].block === (slot === 'attention' ? 'grouped-query' : 'swiglu')
  const known = (huggingFaceNames[slot] as Record<string, readonly [string, boolean]>)[weight]
  if (known && (own || weight === 'norm')) return { name: `model.layers.${layer}.${known[0]}`, transpose: known[1] }
  return { name: `model.layers.${layer}.${slot}.${weight}`, transpose: false }
}

/** Writes all weights of a model, by the names of `modelShapes`, as one safetensors file in Hugging Face's layout. */
export async function saveCheckpoint(
  path: string,
  config: ModelConfig,
  blocks: Blocks,
  weights: Readonly<Record<string, Float32Array>>,
  shapes: Readonly<Record<string, readonly number[]>>,
  dtype: 'float32' | 'float16',
): Promise<void> {
  const tensors: Record<string, Tensor> = {}
  const put = (name: string, from: string, transpose: boolean) => {
    const shape = shapes[from]!
    const data = transpose ? transposed(weights[from]!, shape[0]!, shape[1]!) : weights[from]!
    const dims = transpose ? [shape[1]!, shape[0]!] : [...shape]
    tensors[name] = { dtype, dims, data: dtype === 'float16' ? toFloat16(data) : data }
  }
  put('model.embed_tokens.weight', 'embedding', false)
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const weight of Object.keys(slotShapes(config, layer, slot, blocks))) {
        const { name, transpose } = checkpointName(config, layer, slot, weight)
        put(name, weightName(layer, slot, weight), transpose)
      }
  put('model.norm.weight', 'norm', false)
  if (!config.tied) put('lm_head.weight', 'head', false)
  await writeTensors(path, tensors, { format: 'pt' })
}

/** All weights of a model by the names of `modelShapes`. */
export async function allWeights(model: Model): Promise<Record<string, Float32Array>> {
  const weights: Record<string, Float32Array> = { embedding: await model.embedding(), norm: await model.norm() }
  if (!model.config.tied) weights.head = await model.head()
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const [name, { data }] of Object.entries(await model.weights(layer, slot)))
        weights[weightName(layer, slot, name)] = data
  return weights
}
