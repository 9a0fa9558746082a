import type { JsonObject } from '../../api/index.js'
import type { Keys } from './read-keys.js'
import { entryOf } from '../../errors/foreign.js'

/** The differences between the Gemma architectures of llama.cpp.
 *  @source llama.cpp, src/models/gemma2.cpp and gemma3.cpp */
interface Gemma {
  /** In each group of this many layers, all but the last have a window, unless the file has a pattern. */
  readonly period: number
  /** Number of tokens of the window if the file does not give it; 0 means no window. */
  readonly window: number
  /** Number of layers of the model with 27B parameters, which scales attention by hidden / heads instead of the head size. */
  readonly scaledByMean: number
  readonly fields: (keys: Keys) => JsonObject
}

const gemmas: Readonly<Record<string, Gemma>> = {
  gemma2: { period: 2, window: 4096, scaledByMean: 46, fields: gemma2Fields },
  gemma3: { period: 6, window: 0, scaledByMean: 62, fields: gemma3Fields },
}

/** Returns fields of a config.json for windows, softcaps and the scale of attention; undefined for other architectures. */
export function gemmaFields(keys: Keys, layers: number, headDim: number): JsonObject | undefined {
  const gemma = entryOf(gemmas, keys.architecture)
  if (!gemma) return undefined
  const window = keys.numberOrNone('attention.sliding_window') ?? gemma.window
  const pattern = keys.raw('attention.sliding_window_pattern')
  const listed = typeof pattern === 'object' ? keys.perLayer('attention.sliding_window_pattern', layers) : undefined
  const period = typeof pattern === 'number' ? pattern : gemma.period
  const windowed = (layer: number) => window > 0 && (listed ? listed[layer] !== 0 : (layer + 1) % period !== 0)
  return {
    layer_types: Array.from({ length: layers }, (_, i) => (windowed(i) ? 'sliding_attention' : 'full_attention')),
    sliding_window: window > 0 ? window : null,
    query_pre_attn_scalar:
      layers === gemma.scaledByMean
        ? Math.floor(keys.number('embedding_length') / keys.number('attention.head_count'))
        : headDim,
    hidden_activation: 'gelu_pytorch_tanh',
    ...gemma.fields(keys),
  }
}

/** Gemma 2 always has softcaps of logits and attention, and one rotary embedding. */
function gemma2Fields(keys: Keys): JsonObject {
  const cap = (key: string, usual: number): number => {
    const value = keys.numberOrNone(key) ?? usual
    if (!(value > 0)) throw keys.refuse(`${keys.name(key)} is ${value}, and llama.cpp divides by it`)
    return value
  }
  const theta = keys.numberOrNone('rope.freq_base') ?? 10000
  const local = keys.numberOrNone('rope.freq_base_swa') ?? theta
  if (local !== theta)
    throw keys.refuse(
      `${keys.name('rope.freq_base_swa')} is ${local} and ${keys.name('rope.freq_base')} ${theta}: Gemma 2 has one rotary embedding for all layers`,
    )
  return {
    final_logit_softcapping: cap('final_logit_softcapping', 30),
    attn_logit_softcapping: cap('attn_logit_softcapping', 50),
  }
}

/** Gemma 3 has a separate rotary embedding for layers with a window, and perhaps a softcap of logits. */
function gemma3Fields(keys: Keys): JsonObject {
  const cap = keys.numberOrNone('final_logit_softcapping') ?? 0
  return {
    rope_local_base_freq: keys.numberOrNone('rope.freq_base_swa') ?? 10000,
    final_logit_softcapping: cap > 0 ? cap : null,
    attn_logit_softcapping: null,
  }
}
