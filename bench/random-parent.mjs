// Parents of random weights, made on the spot, for measurements of what large models take.
import { mkdirSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { safetensorsHead } from '../dist/tensor/index.js'

/** TinyLlama's shape, and one that both ways can train. */
export const large = { layers: 22, hidden: 2048, intermediate: 5632, heads: 32, kvHeads: 4, vocabulary: 32000 }
export const small = { layers: 12, hidden: 512, intermediate: 1408, heads: 8, kvHeads: 2, vocabulary: 8192 }

const bfloat16 = (numbers) => Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16)
const [one] = bfloat16(Float32Array.of(1))

/** Numbers between -1 and 1. */
const noise = Float32Array.from({ length: 262139 }, (_, i) => (Math.sin(12.9898 * i) * 43758.5453) % 1)

/** Writes a Llama with random weights in bfloat16, a tensor at a time. */
export async function writeParent(folder, { layers, hidden, intermediate, heads, kvHeads, vocabulary }) {
  mkdirSync(folder, { recursive: true })
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
