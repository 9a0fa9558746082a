import type { FamilyTensors, TensorTable } from '../../api/index.js'

/** Attention with separate matrices for queries, keys, values and output. */
export const separateAttention: TensorTable = {
  q: 'self_attn.q_proj.weight',
  k: 'self_attn.k_proj.weight',
  v: 'self_attn.v_proj.weight',
  o: 'self_attn.o_proj.weight',
  'q.bias': 'self_attn.q_proj.bias',
  'k.bias': 'self_attn.k_proj.bias',
  'v.bias': 'self_attn.v_proj.bias',
  'o.bias': 'self_attn.o_proj.bias',
}

/** The same, with norms of queries and keys. */
export const normedAttention: TensorTable = {
  ...separateAttention,
  'q.norm': 'self_attn.q_norm.weight',
  'k.norm': 'self_attn.k_norm.weight',
}

/** A gated FFN with separate matrices for gate, up and down. */
export const separateFfn: TensorTable = {
  gate: 'mlp.gate_proj.weight',
  up: 'mlp.up_proj.weight',
  down: 'mlp.down_proj.weight',
  'gate.bias': 'mlp.gate_proj.bias',
  'up.bias': 'mlp.up_proj.bias',
  'down.bias': 'mlp.down_proj.bias',
}

/** Llama's tensor names, which most families share. */
export const llamaTensors: FamilyTensors = {
  layers: 'model.layers.',
  embedding: 'model.embed_tokens.weight',
  norm: 'model.norm.weight',
  head: 'lm_head.weight',
  norms: {
    attention: { norm: 'input_layernorm.weight' },
    ffn: { norm: 'post_attention_layernorm.weight' },
  },
  blocks: {
    attention: { 'grouped-query': separateAttention },
    ffn: { swiglu: separateFfn },
  },
}

/** Llama's tensor names for families whose layers may have windows. */
export const windowedTensors = (attention: TensorTable = separateAttention): FamilyTensors => ({
  ...llamaTensors,
  blocks: { ...llamaTensors.blocks, attention: { 'grouped-query': attention, 'sliding-window': attention } },
})

/** Gemma's tensor names, with a norm before and after each block. */
export const gemmaTensors = (attention: TensorTable): FamilyTensors => ({
  ...windowedTensors(attention),
  norms: {
    attention: { norm: 'input_layernorm.weight', post: 'post_attention_layernorm.weight' },
    ffn: { norm: 'pre_feedforward_layernorm.weight', post: 'post_feedforward_layernorm.weight' },
  },
})
