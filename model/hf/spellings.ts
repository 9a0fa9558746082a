import type { BlockChoice, JsonObject } from '../../api/index.js'
import { withWeights } from '../../api/weights.js'
import type { LayerBlocks, ModelConfig } from '../config.js'

/** Parameters that only say how a variant's first weights were made. */
const ofInitialisation: Readonly<Record<string, readonly string[]>> = {
  'grouped-query': ['heads'],
  swiglu: ['channels'],
}

/** What of a block decides about its arithmetic on numbers: neither how it began nor whether they came from integers. */
export function essential({ block, params }: BlockChoice): BlockChoice {
  const left = Object.entries(withWeights(params, 'float32')).filter(
    ([name]) => !ofInitialisation[block]?.includes(name),
  )
  return { block, params: Object.fromEntries(left) }
}

export const essentialLayers = (layers: readonly LayerBlocks[]): LayerBlocks[] =>
  layers.map(({ attention, ffn }) => ({ attention: essential(attention), ffn: essential(ffn) }))

/** A list with an entry of every layer, or undefined where one cannot be said. */
function eachLayer<T>(config: ModelConfig, of: (layer: LayerBlocks) => T | undefined): T[] | undefined {
  const all = essentialLayers(config.blocks).map(of)
  return all.every((entry) => entry !== undefined) ? all : undefined
}

/** `block_configs` as DeciLM and Llama-Nemotron have them; undefined where a layer has what they have no word for. */
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
    // Widths follow from `ffn_mult` in steps of 256 only.
    return entry(width % 256 === 0 ? { ffn_mult: (3 * width) / (2 * hidden) } : { intermediate_size: width })
  }
  return block === 'no-op' || block === 'linear' ? entry(empty[block]) : undefined
}

const empty = { 'no-op': { no_op: true }, linear: { replace_with_linear: true } } as const

/** transformers' `per_layer_config`: by layer what is not as in the fields of the whole model, and what is skipped;
 *  undefined where a layer has what it has no word for. */
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
    // Where the family has windows, `layer_types` and its like say which layers have one.
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
