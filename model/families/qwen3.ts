import type { Family } from '../../api/index.js'
import { normedAttention, windowedTensors } from './tensors.js'
import { upperWindow } from './windows.js'

/** Qwen3: norms of queries and keys. */
export const qwen3: Family = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  architectures: ['Qwen3ForCausalLM'],
  defaults: { head_dim: 128, max_position_embeddings: 32768, sliding_window: 4096, max_window_layers: 28 },
  traits: (f) => ({ qkNorm: true, qkvBias: f.flag('attention_bias'), outputBias: f.flag('attention_bias') }),
  window: upperWindow,
  tensors: windowedTensors(normedAttention),
}
