import type { Family } from '../../api/index.js'
import { windowedTensors } from './tensors.js'
import { upperWindow } from './windows.js'

/** Qwen2 and 2.5: biases of queries, keys and values, and optional windows on the upper layers. */
export const qwen2: Family = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  architectures: ['Qwen2ForCausalLM'],
  defaults: { max_position_embeddings: 32768, sliding_window: 4096, max_window_layers: 28 },
  traits: () => ({ qkvBias: true }),
  window: upperWindow,
  tensors: windowedTensors(),
}
