import { Failure, type BlockChoice, type JsonObject, type LayerFacts } from '../plugins/api/index.js'
import { isWeightKind, weightKinds, withWeights } from '../plugins/api/weights.js'

/** Rotary position embedding (arXiv 2104.09864) and how its frequencies are scaled for long contexts. */
export interface RotaryConfig {
  readonly theta: number
  readonly scaling?:
    | { readonly kind: 'linear'; readonly factor: number }
    | {
        readonly kind: 'llama3'
        readonly factor: number
        readonly lowFrequencyFactor: number
        readonly highFrequencyFactor: number
        readonly originalPositions: number
      }
}

/** What the sub-blocks of a layer are. */
export interface LayerBlocks {
  readonly attention: BlockChoice
  readonly ffn: BlockChoice
}

/** A model's shape, independent of how its checkpoint spells it. Sizes in elements. */
export interface ModelConfig {
  readonly architecture: 'llama'
  readonly vocabulary: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediate: number
  readonly maxPositions: number
  readonly normEps: number
  /** The head is the embedding. */
  readonly tied: boolean
  readonly attentionBias: boolean
  readonly mlpBias: boolean
  readonly rotary: RotaryConfig
  readonly bos?: number
  readonly eos: readonly number[]
  /** Sub-blocks of every layer; a checkpoint straight from Hugging Face has the parent's everywhere. */
  readonly blocks: readonly LayerBlocks[]
}

/** What block types may know of a layer. In a child the layer's blocks have sizes of their own. */
export function layerFacts(config: ModelConfig, layer: number): LayerFacts {
  const { layers, hidden, heads, headDim, attentionBias, mlpBias, normEps } = config
  const { attention, ffn } = config.blocks[layer]!
  const usual = parentBlocks(config)
  const kvHeads = attention.block === usual.attention.block ? Number(attention.params.kvHeads) : config.kvHeads
  const intermediate = ffn.block === usual.ffn.block ? Number(ffn.params.width) : config.intermediate
  return { layer, layers, hidden, heads, kvHeads, headDim, intermediate, attentionBias, mlpBias, normEps }
}

/** The parent's own sub-blocks. */
export function parentBlocks(shape: { readonly kvHeads: number; readonly intermediate: number }): LayerBlocks {
  return {
    attention: { block: 'grouped-query', params: { kvHeads: shape.kvHeads } },
    ffn: { block: 'swiglu', params: { width: shape.intermediate } },
  }
}

type Fields = { readonly [key: string]: unknown }

/** Reads `config.json` of a Llama checkpoint. Whatever is unknown or unsupported is refused by name.
 *  @throws Failure InvalidInput */
export function parseConfig(text: string, file: string): ModelConfig {
  const refuse = (message: string, remedy?: string) =>
    new Failure('InvalidInput', `${file}: ${message}`, { file, ...(remedy === undefined ? {} : { remedy }) })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw refuse(`is not JSON: ${(error as Error).message}`, 'Copy the file from the original checkpoint again.')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw refuse('is not a JSON object')
  const fields = json as Fields

  const count = (name: string, fallback?: number): number => {
    const value = fields[name] ?? fallback
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > 2 ** 31)
      throw refuse(`"${name}" is ${JSON.stringify(fields[name])}, not a positive whole number`)
    return value
  }
  const real = (from: Fields, name: string, fallback?: number): number => {
    const value = from[name] ?? fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw refuse(`"${name}" is ${JSON.stringify(from[name])}, not a positive number`)
    return value
  }
  const flag = (name: string): boolean => {
    const value = fields[name] ?? false
    if (typeof value !== 'boolean') throw refuse(`"${name}" is ${JSON.stringify(value)}, not true or false`)
    return value
  }

  const architecture = Array.isArray(fields.architectures) ? String(fields.architectures[0]) : undefined
  if (fields.model_type !== 'llama' || (architecture !== undefined && architecture !== 'LlamaForCausalLM'))
    throw refuse(
      `the architecture ${JSON.stringify(architecture ?? fields.model_type)} (model_type ${JSON.stringify(fields.model_type)}) is not supported`,
      'Supported: LlamaForCausalLM (model_type "llama").',
    )
  if (fields.quantization_config !== undefined)
    throw refuse('quantised checkpoints ("quantization_config") are not supported', 'Use the unquantised checkpoint.')
  const activation = fields.hidden_act ?? 'silu'
  if (activation !== 'silu') throw refuse(`the activation "hidden_act": ${JSON.stringify(activation)} is not supported`)
  if (fields.pretraining_tp !== undefined && fields.pretraining_tp !== 1)
    throw refuse('"pretraining_tp" other than 1 is not supported')

  const hidden = count('hidden_size')
  const layers = count('num_hidden_layers')
  const heads = count('num_attention_heads')
  const kvHeads = count('num_key_value_heads', heads)
  if (heads % kvHeads !== 0)
    throw refuse(`"num_attention_heads" ${heads} is no multiple of "num_key_value_heads" ${kvHeads}`)
  if (fields.head_dim === undefined || fields.head_dim === null)
    if (hidden % heads !== 0) throw refuse(`"hidden_size" ${hidden} is no multiple of "num_attention_heads" ${heads}`)
  const headDim = fields.head_dim === null ? hidden / heads : count('head_dim', hidden / heads)
  if (headDim % 2 !== 0) throw refuse(`a head size of ${headDim} is odd: rotary embedding needs pairs`)
  const intermediate = count('intermediate_size')
  if (layers > 1000) throw refuse(`"num_hidden_layers" is ${layers}`)
  const shape = { hidden, layers, heads, kvHeads, headDim, intermediate }

  const parameters = (fields.rope_parameters ?? fields.rope_scaling ?? {}) as Fields
  const own = fields.puzzleflow as { readonly layers?: unknown } | undefined
  const eos = fields.eos_token_id
  return {
    architecture: 'llama',
    vocabulary: count('vocab_size'),
    ...shape,
    maxPositions: count('max_position_embeddings', 2048),
    normEps: real(fields, 'rms_norm_eps', 1e-6),
    tied: flag('tie_word_embeddings'),
    attentionBias: flag('attention_bias'),
    mlpBias: flag('mlp_bias'),
    rotary: {
      theta: real(parameters.rope_theta === undefined ? fields : parameters, 'rope_theta', 10000),
      ...rotaryScaling(parameters, real, refuse),
    },
    ...(typeof fields.bos_token_id === 'number' ? { bos: fields.bos_token_id } : {}),
    eos: (Array.isArray(eos) ? eos : [eos]).filter((id): id is number => typeof id === 'number'),
    blocks:
      own?.layers === undefined
        ? Array<LayerBlocks>(layers).fill(parentBlocks(shape))
        : ownBlocks(own.layers, layers, refuse),
  }
}

function rotaryScaling(
  from: Fields,
  real: (from: Fields, name: string) => number,
  refuse: (message: string, remedy?: string) => Failure,
): Pick<RotaryConfig, 'scaling'> {
  const kind = from.rope_type ?? from.type ?? 'default'
  if (kind === 'default') return {}
  if (kind === 'linear') return { scaling: { kind, factor: real(from, 'factor') } }
  if (kind === 'llama3')
    return {
      scaling: {
        kind,
        factor: real(from, 'factor'),
        lowFrequencyFactor: real(from, 'low_freq_factor'),
        highFrequencyFactor: real(from, 'high_freq_factor'),
        originalPositions: real(from, 'original_max_position_embeddings'),
      },
    }
  throw refuse(`rotary scaling ${JSON.stringify(kind)} is not supported`, 'Supported: default, linear, llama3.')
}

/** Layers of a child that this project wrote. */
function ownBlocks(
  value: unknown,
  layers: number,
  refuse: (message: string, remedy?: string) => Failure,
): LayerBlocks[] {
  const choice = (slot: unknown, where: string): BlockChoice => {
    const { block, weights = 'float32', ...params } = (slot ?? {}) as { readonly block?: unknown } & JsonObject
    if (typeof block !== 'string') throw refuse(`"puzzleflow.layers" has no block type at ${where}`)
    if (!isWeightKind(weights))
      throw refuse(
        `"puzzleflow.layers" has the weights ${JSON.stringify(weights)} at ${where}`,
        `Weights can be ${weightKinds.join(', ')}.`,
      )
    return { block, params: withWeights(params, weights) }
  }
  if (!Array.isArray(value) || value.length !== layers)
    throw refuse(`"puzzleflow.layers" must be a list of ${layers} layers`)
  return value.map((layer: unknown, i) => ({
    attention: choice((layer as Fields | null)?.attention, `layer ${i}, attention`),
    ffn: choice((layer as Fields | null)?.ffn, `layer ${i}, ffn`),
  }))
}
