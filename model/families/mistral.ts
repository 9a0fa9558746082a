import type { Family } from '../../api/index.js'
import { windowedTensors } from './tensors.js'

/** Mistral: like Llama, with a window on every layer, or on none if `sliding_window` is null. */
export const mistral: Family = {
  name: 'mistral',
  modelTypes: ['mistral'],
  architectures: ['MistralForCausalLM'],
  defaults: { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
  // transformers' Mistral ignores `layer_types`: all layers have the window.
  window: (f) => f.realOrNone('sliding_window'),
  tensors: windowedTensors(),
}
