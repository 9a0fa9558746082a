import type { Family } from '../../api/index.js'
import { windowedTensors } from './tensors.js'

const tensors = windowedTensors({
  q: 'self_attn.qkv_proj.weight',
  k: 'self_attn.qkv_proj.weight',
  v: 'self_attn.qkv_proj.weight',
  o: 'self_attn.o_proj.weight',
})

/** Phi-3: queries, keys and values in one tensor, gate and up in another. */
export const phi3: Family = {
  name: 'phi3',
  modelTypes: ['phi3'],
  architectures: ['Phi3ForCausalLM'],
  defaults: { max_position_embeddings: 4096, rms_norm_eps: 1e-5 },
  // `yarn` and `su` of older files are `longrope` for this family, with a factor for each pair.
  ropeTypes: ['default'],
  window: (f) => f.realOrNone('sliding_window'),
  tensors: {
    ...tensors,
    blocks: {
      ...tensors.blocks,
      ffn: {
        swiglu: { gate: 'mlp.gate_up_proj.weight', up: 'mlp.gate_up_proj.weight', down: 'mlp.down_proj.weight' },
      },
    },
  },
}
