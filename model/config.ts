import type { BlockChoice, LayerBlocks, LayerFacts, RotaryConfig, Slot } from '../api/index.js'

export type { LayerBlocks, RotaryConfig } from '../api/index.js'

/** A model's shape, independent of how its checkpoint spells it. Sizes in elements. */
export interface ModelConfig {
  /** Name of the family that it is of. */
  readonly family: string
  readonly vocabulary: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  /** Of the layer with most of them. */
  readonly kvHeads: number
  readonly headDim: number
  /** Of the layer with the widest FFN. */
  readonly intermediate: number
  readonly maxPositions: number
  readonly normEps: number
  /** Norms multiply with this + weight. Weights are as the checkpoint has them. */
  readonly normOffset: 0 | 1
  /** RMS norms over each head of queries and keys before rotation: weights `q.norm`, `k.norm`. */
  readonly qkNorm: boolean
  /** A norm behind each block, before the residual addition: weight `post` beside `norm`. */
  readonly postNorms: boolean
  readonly activation: 'silu' | 'gelu-tanh'
  /** Embeddings are multiplied by this. */
  readonly embeddingScale: number
  /** What blocks return is multiplied by this before the residual addition. */
  readonly residualScale: number
  /** Logits are multiplied by this, before they are capped. */
  readonly logitsScale: number
  /** Logits become cap * tanh(logits / cap). */
  readonly finalSoftcap?: number
  /** Products of queries and keys are multiplied by this. */
  readonly attentionScale: number
  /** Scaled products become cap * tanh(products / cap). */
  readonly attentionSoftcap?: number
  /** The head is the embedding. */
  readonly tied: boolean
  readonly qkvBias: boolean
  readonly outputBias: boolean
  readonly mlpBias: boolean
  /** The rotary embeddings that layers have. */
  readonly rotaries: readonly RotaryConfig[]
  /** Which of `rotaries` each layer has. */
  readonly layerRotary: readonly number[]
  readonly bos?: number
  readonly eos: readonly number[]
  /** Sub-blocks of every layer. */
  readonly blocks: readonly LayerBlocks[]
  /** Sub-blocks of every layer before any was replaced: those of the model that a child descends from. */
  readonly ownBlocks: readonly LayerBlocks[]
}

/** What block types may know of a layer. In a child the layer's blocks have sizes of their own. */
export function layerFacts(config: ModelConfig, layer: number): LayerFacts {
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
    // What is as in Llama is left out.
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

/** The sub-blocks that a layer has in the model without replacements. Layers beyond its own, of models made for measuring,
 *  are as its first. */
export const parentBlocks = (config: ModelConfig, layer: number): LayerBlocks =>
  config.ownBlocks[layer] ?? config.ownBlocks[0]!

/** Block types that models are made of before any block is replaced. */
const original: Readonly<Record<Slot, readonly string[]>> = {
  attention: ['grouped-query', 'sliding-window'],
  ffn: ['swiglu'],
}

/** Whether a layer's sub-block is of the type that it has in the model without replacements, so that others can be made of
 *  its weights. */
export function isOriginal(config: ModelConfig, layer: number, slot: Slot): boolean {
  const { block } = config.blocks[layer]![slot]
  return block === parentBlocks(config, layer)[slot].block && original[slot].includes(block)
}

/** What the first layer that has such a sub-block has in the model without replacements. */
export function commonBlock(config: ModelConfig, slot: Slot): BlockChoice {
  const all = config.ownBlocks.map((own) => own[slot])
  return all.find(({ block }) => original[slot].includes(block)) ?? all[0]!
}

/** The rotary embedding of a layer. */
export const rotaryOf = (config: ModelConfig, layer: number): RotaryConfig =>
  config.rotaries[config.layerRotary[layer] ?? 0]!
