import type { ConfigFields, Family } from '../../api/index.js'
import { gemmaDefaults, gemmaRefused, gemmaTraits } from './gemma2.js'
import { gemmaTensors, normedAttention } from './tensors.js'
import { layerType } from './windows.js'

const kind = (f: ConfigFields, layer: number): string =>
  layerType(f, layer, (layer + 1) % f.count('sliding_window_pattern') === 0 ? 'full_attention' : 'sliding_attention')

/** Gemma 3, text only: like Gemma 2, with norms of queries and keys, and a separate rotary embedding for layers with a
 *  window. */
export const gemma3: Family = {
  name: 'gemma3',
  modelTypes: ['gemma3_text'],
  architectures: ['Gemma3ForCausalLM'],
  defaults: {
    ...gemmaDefaults,
    max_position_embeddings: 131072,
    sliding_window: 4096,
    sliding_window_pattern: 6,
    rope_theta: 1000000,
    rope_local_base_freq: 10000,
  },
  refused: gemmaRefused,
  activationField: 'hidden_activation',
  traits: (f) => ({ ...gemmaTraits(f), qkNorm: true }),
  window: (f, layer) => (kind(f, layer) === 'sliding_attention' ? f.realOrNone('sliding_window') : undefined),
  rotary: kind,
  rotaries: {
    full_attention: { theta: 'rope_theta', scaled: true },
    sliding_attention: { theta: 'rope_local_base_freq', scaled: false },
  },
  tensors: gemmaTensors(normedAttention),
}
