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

/** [rows, columns] to [columns, rows], by tiles that fit the processor's cache. */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length)
  const tile = 32
  for (let r0 = 0; r0 < rows; r0 += tile)
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const [r1, c1] = [Math.min(r0 + tile, rows), Math.min(c0 + tile, columns)]
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) out[c * rows + r] = data[r * columns + c]!
    }
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
