import type { BlockChoice, JsonObject } from '../../api/index.js'
import { withWeights } from '../../api/weights.js'
import type { LayerBlocks, ModelConfig } from '../config.js'
import { entryOf } from '../../errors/foreign.js'

/** Parameters that only record how a variant's weights were initialised. */
const ofInitialisation: Readonly<Record<string, readonly string[]>> = {
  'grouped-query': ['heads'],
  swiglu: ['channels'],
}

/** Returns the parts of a block that determine its arithmetic: neither how it was initialised, nor whether its weights are
 *  quantised. */
export function essential({ block, params }: BlockChoice): BlockChoice {
  const left = Object.entries(withWeights(params, 'float32')).filter(
    ([name]) => !entryOf(ofInitialisation, block)?.includes(name),
  )
  return { block, params: Object.fromEntries(left) }
}

export const essentialLayers = (layers: readonly LayerBlocks[]): LayerBlocks[] =>
  layers.map(({ attention, ffn }) => ({ attention: essential(attention), ffn: essential(ffn) }))

/** Returns an entry for every layer; undefined if one layer cannot be described. */
function eachLayer<T>(config: ModelConfig, of: (layer: LayerBlocks) => T | undefined): T[] | undefined {
  const all = essentialLayers(config.blocks).map(of)
  return all.every((entry) => entry !== undefined) ? all : undefined
}

/** Writes the `block_configs` of DeciLM and Llama-Nemotron; undefined if they cannot describe a layer. */
export function blockConfigs(config: ModelConfig): JsonObject[] | undefined {
  return eachLayer(config, ({ attention, ffn }) => {
    const mixing = deciAttention(attention, config.heads)
    const feeding = deciFfn(ffn, config.hidden)
    return mixing && feeding && { attention: mixing, ffn: feeding }
  })
}

function deciAttention({ block, params }: BlockChoice, heads: number): JsonObject | undefined {
  const entry = (fields: JsonObject): JsonObject => ({
    n_heads_in_group: null,
    no_op: false,
    num_sink_tokens: null,
    replace_with_linear: false,
    sparsify: null,
    unshifted_sink: false,
    use_prefill_window_in_sink_attention: false,
    window_length: null,
    ...fields,
  })
  if (block === 'grouped-query') return entry({ n_heads_in_group: heads / Number(params.kvHeads) })
  return block === 'no-op' || block === 'linear' ? entry(empty[block]) : undefined
}

function deciFfn({ block, params }: BlockChoice, hidden: number): JsonObject | undefined {
  const entry = (fields: JsonObject): JsonObject => ({
    ffn_mult: null,
    no_op: false,
    replace_with_linear: false,
    sparsify: null,
    ...fields,
  })
  if (block === 'swiglu') {
    const width = Number(params.width)
    // `ffn_mult` can only describe widths that are multiples of 256.
    return entry(width % 256 === 0 ? { ffn_mult: (3 * width) / (2 * hidden) } : { intermediate_size: width })
  }
  return block === 'no-op' || block === 'linear' ? entry(empty[block]) : undefined
}

const empty = { 'no-op': { no_op: true }, linear: { replace_with_linear: true } } as const

/** Writes transformers' `per_layer_config`: for each layer, the fields that differ from those of the whole model, and skipped
 *  sub-blocks. Undefined if it cannot describe a layer. */
export function perLayerConfig(config: ModelConfig, fields: JsonObject): JsonObject | undefined {
  const { heads, kvHeads, intermediate, ownBlocks } = config
  const windowed = ownBlocks.some(({ attention }) => attention.block === 'sliding-window')
  const windows = config.blocks.some(({ attention }) => attention.block === 'sliding-window')
  const entries = config.blocks.map((layer, i): JsonObject | undefined => {
    const attention = essential(layer.attention)
    const ffn = essential(layer.ffn)
    const { window = null } = attention.params
    const known = ['grouped-query', 'sliding-window', 'fewer-heads', 'no-op'].includes(attention.block)
    if (!known || !['swiglu', 'no-op'].includes(ffn.block)) return undefined
    // In families with windows, `layer_types` and similar fields determine which layers have one.
    const familyWindow = ownBlocks[i]?.attention.params.window ?? null
    if (windowed && attention.block !== 'no-op' && window !== familyWindow) return undefined
    const skip = [...(attention.block === 'no-op' ? ['attention'] : []), ...(ffn.block === 'no-op' ? ['mlp'] : [])]
    return {
      ...differing('num_attention_heads', attention.params.heads, heads),
      ...differing('num_key_value_heads', attention.params.kvHeads, fields.num_key_value_heads ?? kvHeads),
      ...differing('intermediate_size', ffn.params.width, fields.intermediate_size ?? intermediate),
      ...(windows && !windowed ? { sliding_window: window } : {}),
      ...(skip.length > 0 ? { skip } : {}),
    }
  })
  if (!entries.every((entry) => entry !== undefined)) return undefined
  return Object.fromEntries(entries.flatMap((entry, i) => (Object.keys(entry).length > 0 ? [[String(i), entry]] : [])))
}

const differing = (name: string, value: unknown, usual: unknown): JsonObject =>
  typeof value === 'number' && value !== usual ? { [name]: value } : {}
