import { basename, resolve } from 'node:path'
import type { Model } from '../model.js'
import type { PackedLayer } from './pack.js'
import { rotaryKinds, saidByKeys, type Architecture } from './write-architectures.js'
import type { WrittenType } from './write-encode.js'
import type { KeyValue } from './write-file.js'
import type { GgufPlan } from './write-plan.js'

const u32 = (value: number): KeyValue => ({ type: 'u32', value })
const f32 = (value: number): KeyValue => ({ type: 'f32', value })
const string = (value: string): KeyValue => ({ type: 'string', value })

/** Numbers of the types in `general.file_type`. */
const fileTypes: Readonly<Record<WrittenType, number>> = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 }

/** Tokens that llama.cpp requires in files whose model name looks like Phi-3's. */
const phi3Tokens = ['</s>', '<unk>', '<s>', '<|endoftext|>']

/** Returns the keys that describe a model, without those of its tokenizer.
 *  @param tokens  the file's tokens */
export function ggufKeys(
  model: Model,
  plan: GgufPlan,
  type: WrittenType,
  tokens: readonly string[],
): Map<string, KeyValue> {
  const { config, folder } = model
  const { architecture, layers } = plan
  const { name, mixed } = architecture
  const sizes = layers.map(sizesOf)
  const perLayer = (key: 'heads' | 'kvHeads' | 'width'): KeyValue =>
    mixed ? { type: 'array', of: 'u32', values: sizes.map((own) => own[key]) } : u32(sizes[0]![key])
  const llamaKeys: Record<string, KeyValue> = {
    block_count: u32(layers.length),
    context_length: u32(config.maxPositions),
    embedding_length: u32(config.hidden),
    vocab_size: u32(config.vocabulary),
    feed_forward_length: perLayer('width'),
    'attention.head_count': perLayer('heads'),
    'attention.head_count_kv': perLayer('kvHeads'),
    'attention.key_length': u32(config.headDim),
    'attention.value_length': u32(config.headDim),
    'attention.layer_norm_rms_epsilon': f32(config.normEps),
    ...(config.finalSoftcap !== undefined && { final_logit_softcapping: f32(config.finalSoftcap) }),
    ...(config.attentionSoftcap !== undefined && { attn_logit_softcapping: f32(config.attentionSoftcap) }),
    ...rotaryKeys(model, architecture),
    ...windowKeys(model, plan),
  }
  const title = basename(resolve(folder))
  const isPhi3 = /phi-?3/i.test(title)
  return new Map<string, KeyValue>([
    ['general.architecture', string(name)],
    ...(isPhi3 && !phi3Tokens.every((token) => tokens.includes(token))
      ? []
      : [['general.name', string(title)] as const]),
    ['general.file_type', u32(fileTypes[type])],
    ...(type === 'Q8_0' ? [['general.quantization_version', u32(2)] as const] : []),
    ...Object.entries(llamaKeys).map(([key, value]) => [`${name}.${key}`, value] as const),
  ])
}

/** Returns a layer's sizes as `deci` stores them: heads without KV heads stand for a matrix. */
function sizesOf({ attention, ffn }: PackedLayer): { heads: number; kvHeads: number; width: number } {
  const width = ffn === 'zero' ? 1 : ffn.width
  if (attention === 'none') return { heads: 0, kvHeads: 0, width }
  if (attention === 'zero') return { heads: 1, kvHeads: 1, width }
  if (attention.kind === 'linear') return { heads: 1, kvHeads: 0, width }
  return { heads: attention.heads, kvHeads: attention.kvHeads, width }
}

function rotaryKeys({ config }: Model, architecture: Architecture): Record<string, KeyValue> {
  const { global, local } = rotaryKinds(architecture, config)
  const rotary = global[0] ?? local[0] ?? config.rotaries[0]!
  const { scaling } = rotary
  return {
    'rope.dimension_count': u32(config.headDim),
    'rope.freq_base': f32(rotary.theta),
    ...(local[0] && { 'rope.freq_base_swa': f32(local[0].theta) }),
    ...(scaling && saidByKeys(scaling) && scalingKeys(scaling)),
  }
}

function scalingKeys(scaling: Parameters<typeof saidByKeys>[0]): Record<string, KeyValue> {
  if (scaling.kind === 'linear')
    return { 'rope.scaling.type': string('linear'), 'rope.scaling.factor': f32(scaling.factor) }
  if (scaling.kind !== 'yarn') throw new Error(`Internal error: no keys for rotary scaling ${scaling.kind}`)
  const { factor, originalPositions, attentionFactor } = scaling
  return {
    'rope.scaling.type': string('yarn'),
    'rope.scaling.factor': f32(factor),
    'rope.scaling.original_context_length': u32(originalPositions),
    // llama.cpp multiplies this by YaRN's own factor.
    'rope.scaling.attn_factor': f32(attentionFactor / (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1)),
  }
}

/** Returns the keys for windows, if the architecture has any. */
function windowKeys({ config }: Model, { architecture, layers }: GgufPlan): Record<string, KeyValue> {
  if (!architecture.windows) return {}
  const windows = layers.map(({ attention }) =>
    typeof attention === 'object' && attention.kind === 'softmax' ? attention.window : undefined,
  )
  const local = windows.map((window) => window !== undefined)
  // A window as long as the context has no effect: it stands for longer windows, and for none.
  const window = windows.reduce<number>((least, own) => Math.min(least, own ?? Infinity), Infinity)
  if (architecture.name === 'gemma3' && !local.includes(true)) return {}
  return {
    'attention.sliding_window': u32(Math.min(window, config.maxPositions)),
    'attention.sliding_window_pattern': { type: 'array', of: 'bool', values: local },
  }
}
