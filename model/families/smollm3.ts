import type { Family } from '../../api/index.js'
import { windowedTensors } from './tensors.js'
import { layerType } from './windows.js'

/** SmolLM3: some layers have no rotary embedding (those with 0 in `no_rope_layers`). */
export const smollm3: Family = {
  name: 'smollm3',
  modelTypes: ['smollm3'],
  architectures: ['SmolLM3ForCausalLM'],
  defaults: {
    num_key_value_heads: 4,
    max_position_embeddings: 32768,
    rope_theta: 2000000,
    tie_word_embeddings: true,
    no_rope_layer_interval: 4,
  },
  traits: (f) => ({
    qkvBias: f.flag('attention_bias'),
    outputBias: f.flag('attention_bias'),
    mlpBias: f.flag('mlp_bias'),
  }),
  rotary: (f, layer) => {
    const rotated = f.perLayer('no_rope_layers')?.[layer] ?? (layer + 1) % f.count('no_rope_layer_interval')
    return rotated === 0 ? 'none' : 'full_attention'
  },
  window(f, layer) {
    const usual = smollm3.rotary!(f, layer) === 'none' ? 'sliding_attention' : 'full_attention'
    const local = f.flag('use_sliding_window') && layerType(f, layer, usual) === 'sliding_attention'
    return local ? f.realOrNone('sliding_window') : undefined
  },
  tensors: windowedTensors(),
}
