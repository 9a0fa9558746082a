import type { Family } from '../../api/index.js'
import { llamaTensors } from './tensors.js'

/** Llama 1 to 3, and models with the same architecture. */
export const llama: Family = {
  name: 'llama',
  modelTypes: ['llama'],
  architectures: ['LlamaForCausalLM'],
  traits: (f) => ({
    qkvBias: f.flag('attention_bias'),
    outputBias: f.flag('attention_bias'),
    mlpBias: f.flag('mlp_bias'),
  }),
  tensors: llamaTensors,
}
