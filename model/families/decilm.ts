import type { BlockChoice, ConfigFields, Family, Json, JsonObject, LayerBlocks } from '../../api/index.js'
import { shown } from '../../errors/foreign.js'
import { isObject } from '../../api/json-object.js'
import { llamaTensors, separateAttention, separateFfn } from './tensors.js'

const linear: BlockChoice = { block: 'linear', params: {} }
const noOp: BlockChoice = { block: 'no-op', params: {} }

/** Computes an FFN's width as DeciLM does: 2/3 of `ffn_mult` times hidden, rounded down to a whole number, then up to a
 *  multiple of 256. */
const widthOf = (ffnMult: number, hidden: number): number =>
  Math.ceil(Math.floor((2 * ffnMult * hidden) / 3) / 256) * 256

/** Reads a sub-block that is skipped or replaced by a matrix; any other is read by `usual`. */
function slot(entry: JsonObject, usual: () => BlockChoice): BlockChoice {
  if (entry.no_op === true) return noOp
  return entry.replace_with_linear === true ? linear : usual()
}

/** Keys of sub-blocks for kinds of attention and FFN that are not supported. */
const unknown = ['sparsify', 'window_length', 'num_sink_tokens', 'moe', 'mamba', 'llama4']

/** The sub-blocks of a layer. */
function partsOf(
  f: ConfigFields,
  entry: Json,
  layer: number,
): { readonly attention: JsonObject; readonly ffn: JsonObject } {
  const part = (value: unknown, name: string): JsonObject => {
    if (isObject(value)) return value
    throw f.refuse(`"block_configs" has ${shown(value)} at layer ${layer}${name}, not an object`)
  }
  const { attention = {}, ffn = {} } = part(entry, '')
  return { attention: part(attention, ', attention'), ffn: part(ffn, ', ffn') }
}

function layerOf(f: ConfigFields, entry: Json, layer: number): LayerBlocks {
  const { attention, ffn } = partsOf(f, entry, layer)
  for (const [name, own] of Object.entries({ attention, ffn }))
    for (const key of unknown)
      if (own[key] !== undefined && own[key] !== null && own[key] !== false)
        throw f.refuse(`"block_configs" has "${key}" at layer ${layer}, ${name}, which is not supported`)
  const number = (value: Json | undefined, what: string): number => {
    if (typeof value === 'number' && value > 0) return value
    throw f.refuse(`"block_configs" has no ${what} at layer ${layer}`)
  }
  const heads = f.count('num_attention_heads')
  return {
    attention: slot(attention, () => ({
      block: 'grouped-query',
      params: { kvHeads: heads / number(attention.n_heads_in_group, '"n_heads_in_group"') },
    })),
    ffn: slot(ffn, () => ({
      block: 'swiglu',
      params: {
        width:
          ffn.intermediate_size === undefined || ffn.intermediate_size === null
            ? widthOf(number(ffn.ffn_mult, '"ffn_mult"'), f.count('hidden_size'))
            : number(ffn.intermediate_size, 'whole "intermediate_size"'),
      },
    })),
  }
}

/** DeciLM-7B (KV heads for each layer) and Llama-Nemotron NAS (`block_configs`): like Llama, but layers differ. */
export const decilm: Family = {
  name: 'decilm',
  modelTypes: ['nemotron-nas', 'deci', 'decilm'],
  architectures: ['DeciLMForCausalLM'],
  traits: (f) => ({
    qkvBias: f.flag('attention_bias'),
    outputBias: f.flag('attention_bias'),
    mlpBias: f.flag('mlp_bias'),
  }),
  blocks(f) {
    const entries = f.perLayer('block_configs')
    if (entries) return entries.map((entry, layer) => layerOf(f, entry, layer))
    const kvHeads = f.perLayer('num_key_value_heads_per_layer')
    if (!kvHeads)
      throw f.refuse('has neither "block_configs" nor "num_key_value_heads_per_layer": nothing describes its layers')
    const width = f.count('intermediate_size')
    return kvHeads.map((own) => ({
      attention: { block: 'grouped-query', params: { kvHeads: own } },
      ffn: { block: 'swiglu', params: { width } },
    }))
  },
  tensors: {
    ...llamaTensors,
    blocks: {
      attention: { 'grouped-query': separateAttention, linear: { weight: 'self_attn.linear_attn.weight' } },
      ffn: { swiglu: separateFfn, linear: { weight: 'mlp.linear_mlp.weight' } },
    },
  },
}
