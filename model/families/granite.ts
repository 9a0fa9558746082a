import type { Family } from '../../api/index.js'
import { llamaTensors } from './tensors.js'

/** Granite: Llama with factors on embeddings, attention, residuals and logits. */
export const granite: Family = {
  name: 'granite',
  modelTypes: ['granite'],
  architectures: ['GraniteForCausalLM'],
  defaults: { embedding_multiplier: 1, attention_multiplier: 1, residual_multiplier: 1, logits_scaling: 1 },
  traits: (f) => ({
    embeddingScale: f.real('embedding_multiplier'),
    attentionScale: f.real('attention_multiplier'),
    residualScale: f.real('residual_multiplier'),
    logitsScale: 1 / f.real('logits_scaling'),
    qkvBias: f.flag('attention_bias'),
    outputBias: f.flag('attention_bias'),
    mlpBias: f.flag('mlp_bias'),
  }),
  tensors: llamaTensors,
}
