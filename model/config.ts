import type { WeightKind } from '../api/weights.js'
import type { BlockChoice, LayerBlocks, LayerFacts, RotaryConfig, Slot } from '../api/index.js'

/** Types of a quantised head. */
export type HeadWeights = Exclude<WeightKind, 'float32'>

export type { LayerBlocks, RotaryConfig } from '../api/index.js'

/** A model's architecture, independent of its checkpoint's config.json. Sizes are in elements. */
export interface ModelConfig {
  /** Name of the model's family. */
  readonly family: string
  /** Number of tokens, which is the number of rows of the embedding. */
  readonly vocabulary: number
  /** Size of the residual stream. */
  readonly hidden: number
  /** Number of decoder layers. */
  readonly layers: number
  /** Number of query heads of the parent. */
  readonly heads: number
  /** Number of key/value heads of the layer that has the most. */
  readonly kvHeads: number
  /** Size of a head. */
  readonly headDim: number
  /** Width of the widest FFN. */
  readonly intermediate: number
  /** Longest context in tokens. */
  readonly maxPositions: number
  /** Epsilon of the RMS norms. */
  readonly normEps: number
  /** Norms multiply by this plus the weight. Weights are as in the checkpoint. */
  readonly normOffset: 0 | 1
  /** RMS norms over each head of queries and keys before rotation: weights `q.norm`, `k.norm`. */
  readonly qkNorm: boolean
  /** A norm after each block, before the residual addition: weight `post` in addition to `norm`. */
  readonly postNorms: boolean
  /** Activation of gated FFNs. */
  readonly activation: 'silu' | 'gelu-tanh'
  /** Embeddings are multiplied by this. */
  readonly embeddingScale: number
  /** The output of blocks is multiplied by this before the residual addition. */
  readonly residualScale: number
  /** Logits are multiplied by this, before they are capped. */
  readonly logitsScale: number
  /** Logits become cap * tanh(logits / cap). */
  readonly finalSoftcap?: number
  /** Products of queries and keys are multiplied by this. */
  readonly attentionScale: number
  /** Scaled products become cap * tanh(products / cap). */
  readonly attentionSoftcap?: number
  /** Whether the embedding matrix is also the head. */
  readonly tied: boolean
  /** Type of the head in memory, and of the embedding if it is tied. @default float32 */
  readonly headWeights?: HeadWeights
  /** Whether queries, keys and values have biases. */
  readonly qkvBias: boolean
  /** Whether the output of attention has a bias. */
  readonly outputBias: boolean
  /** Whether the matrices of FFNs have biases. */
  readonly mlpBias: boolean
  /** The distinct rotary embeddings of the layers. */
  readonly rotaries: readonly RotaryConfig[]
  /** Index into `rotaries` for each layer. */
  readonly layerRotary: readonly number[]
  /** Id of the token that begins a text; absent if config.json has none. */
  readonly bos?: number
  /** Ids of the tokens that end a text. */
  readonly eos: readonly number[]
  /** Sub-blocks of every layer. */
  readonly blocks: readonly LayerBlocks[]
  /** Sub-blocks of every layer before replacements: those of the model that a child descends from. */
  readonly ownBlocks: readonly LayerBlocks[]
}

/** Returns what block types know about a layer: the parent's sizes. Blocks of a child may differ from them. */
export function layerFacts(config: ModelConfig, layer: number): LayerFacts {
  const known = factsOf.get(config) ?? new Map<number, LayerFacts>()
  factsOf.set(config, known)
  let facts = known.get(layer)
  if (!facts) known.set(layer, (facts = newFacts(config, layer)))
  return facts
}

// Asked for each of thousands of variants.
const factsOf = new WeakMap<ModelConfig, Map<number, LayerFacts>>()

function newFacts(config: ModelConfig, layer: number): LayerFacts {
  const { layers, hidden, heads, headDim, qkvBias, outputBias, mlpBias, normEps } = config
  const { attention, ffn } = config.blocks[layer]!
  const usual = parentBlocks(config, layer)
  const kvHeads = attention.block === usual.attention.block ? attention.params.kvHeads : undefined
  const width = ffn.block === usual.ffn.block ? ffn.params.width : undefined
  return {
    ...{ layer, layers, hidden, heads, headDim },
    kvHeads: Number(kvHeads ?? config.kvHeads),
    intermediate: Number(width ?? config.intermediate),
    ...{ attentionBias: qkvBias, mlpBias, normEps },
    // Only fields whose values differ from Llama's.
    ...(outputBias !== qkvBias && { outputBias }),
    ...(config.qkNorm && { qkNorm: true }),
    ...(config.normOffset !== 0 && { normOffset: config.normOffset }),
    ...(config.activation !== 'silu' && { activation: config.activation }),
    ...(config.residualScale !== 1 && { residualScale: config.residualScale }),
    ...(config.attentionScale !== 1 / Math.sqrt(headDim) && { attentionScale: config.attentionScale }),
    ...(config.attentionSoftcap !== undefined && { attentionSoftcap: config.attentionSoftcap }),
    ...(config.postNorms && { postNorms: true }),
    ...(typeof attention.params.window === 'number' && isOriginal(config, layer, 'attention')
      ? { window: attention.params.window }
      : {}),
  }
}

/** Returns a layer's sub-blocks in the model without replacements. Models built for measurements can have more layers; those
 *  are like the first. */
export const parentBlocks = (config: ModelConfig, layer: number): LayerBlocks =>
  config.ownBlocks[layer] ?? config.ownBlocks[0]!

/** The block types that occur in models without replacements. */
const original: Readonly<Record<Slot, readonly string[]>> = {
  attention: ['grouped-query', 'sliding-window'],
  ffn: ['swiglu'],
}

/** Whether a layer's sub-block has a type that occurs in models without replacements, so that other blocks can be initialised
 *  from its weights. */
export function isOriginal(config: ModelConfig, layer: number, slot: Slot): boolean {
  const { block } = config.blocks[layer]![slot]
  return block === parentBlocks(config, layer)[slot].block && original[slot].includes(block)
}

/** Returns the sub-block of the first layer that has one in this slot, in the model without replacements. */
export function commonBlock(config: ModelConfig, slot: Slot): BlockChoice {
  const all = config.ownBlocks.map((own) => own[slot])
  return all.find(({ block }) => original[slot].includes(block)) ?? all[0]!
}

/** Returns the rotary embedding of a layer. */
export const rotaryOf = (config: ModelConfig, layer: number): RotaryConfig =>
  config.rotaries[config.layerRotary[layer] ?? 0]!
