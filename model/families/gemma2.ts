import type { ConfigFields, Family, FamilyTraits } from '../../api/index.js'
import { gemmaTensors, separateAttention } from './tensors.js'
import { layerType } from './windows.js'

/** Traits that Gemma 2 and 3 have in common. */
export const gemmaTraits = (f: ConfigFields): FamilyTraits => ({
  normOffset: 1,
  postNorms: true,
  embeddingScale: Math.sqrt(f.count('hidden_size')),
  attentionScale: 1 / Math.sqrt(f.real('query_pre_attn_scalar')),
  ...softcaps(f.realOrNone('final_logit_softcapping'), f.realOrNone('attn_logit_softcapping')),
  qkvBias: f.flag('attention_bias'),
  outputBias: f.flag('attention_bias'),
})

const softcaps = (finalSoftcap?: number, attentionSoftcap?: number): FamilyTraits => ({
  ...(finalSoftcap !== undefined && { finalSoftcap }),
  ...(attentionSoftcap !== undefined && { attentionSoftcap }),
})

/** Fields of Gemma models that are not causal language models. */
export const gemmaRefused: NonNullable<Family['refused']> = {
  use_bidirectional_attention: {
    except: [false],
    why: 'Only causal attention is supported: no token may see later ones.',
  },
}

/** Defaults of Gemma 2 and 3. */
export const gemmaDefaults = {
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh',
  query_pre_attn_scalar: 256,
  tie_word_embeddings: true,
}

/** Gemma 2: norms with 1 + w before and after each block, softcaps, and a window on every second layer. */
export const gemma2: Family = {
  name: 'gemma2',
  modelTypes: ['gemma2'],
  architectures: ['Gemma2ForCausalLM'],
  defaults: {
    ...gemmaDefaults,
    max_position_embeddings: 8192,
    sliding_window: 4096,
    final_logit_softcapping: 30,
    attn_logit_softcapping: 50,
  },
  refused: gemmaRefused,
  activationField: 'hidden_activation',
  traits: gemmaTraits,
  window: (f, layer) =>
    layerType(f, layer, layer % 2 === 0 ? 'sliding_attention' : 'full_attention') === 'sliding_attention'
      ? f.realOrNone('sliding_window')
      : undefined,
  tensors: gemmaTensors(separateAttention),
}
