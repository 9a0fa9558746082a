import type { BlockChoice, Json, JsonObject, Slot } from './block.js'

/** Rotary position embedding (arXiv 2104.09864) and how its frequencies are scaled for long contexts. */
export interface RotaryConfig {
  readonly theta: number
  readonly scaling?:
    | /** No rotation at all: tables of cos 0 and sin 0. */ { readonly kind: 'none' }
    | { readonly kind: 'linear'; readonly factor: number }
    | /** NTK: a larger theta as soon as the sequence is longer than `originalPositions`. */ {
        readonly kind: 'dynamic'
        readonly factor: number
        readonly originalPositions: number
      }
    | {
        readonly kind: 'llama3'
        readonly factor: number
        readonly lowFrequencyFactor: number
        readonly highFrequencyFactor: number
        readonly originalPositions: number
      }
    | /** arXiv 2309.00071. Cosines and sines are multiplied by `attentionFactor`. */ {
        readonly kind: 'yarn'
        readonly factor: number
        readonly originalPositions: number
        readonly attentionFactor: number
        readonly betaFast: number
        readonly betaSlow: number
        /** Whether the bounds of what is interpolated are rounded to whole pairs. */
        readonly truncate: boolean
      }
}

/** What the sub-blocks of a layer are. */
export interface LayerBlocks {
  readonly attention: BlockChoice
  readonly ffn: BlockChoice
}

/** What a family does otherwise than Llama. Absent: as Llama. */
export interface FamilyTraits {
  /** RMS norms over each head of queries and keys, before they are rotated. Weights `q.norm` and `k.norm`, [headDim]. */
  readonly qkNorm?: boolean
  /** Norms multiply with this + weight. Default 0. */
  readonly normOffset?: 0 | 1
  /** A second norm behind each block, before the residual addition. Weight `post`, [hidden]. */
  readonly postNorms?: boolean
  /** Embeddings are multiplied by this. Default 1. */
  readonly embeddingScale?: number
  /** What a block returns is multiplied by this before the residual addition. Default 1. */
  readonly residualScale?: number
  /** Logits are multiplied by this. Default 1. */
  readonly logitsScale?: number
  /** Logits become cap * tanh(logits / cap). */
  readonly finalSoftcap?: number
  /** Products of queries and keys are multiplied by this. Default 1 / sqrt(headDim). */
  readonly attentionScale?: number
  /** Scaled products become cap * tanh(products / cap). */
  readonly attentionSoftcap?: number
  /** Biases of queries, keys and values. Default false. */
  readonly qkvBias?: boolean
  /** Bias of attention's output. Default false. */
  readonly outputBias?: boolean
  /** Biases of the FFN. Default false. */
  readonly mlpBias?: boolean
}

/** Fields of a config.json, with the family's defaults for those that are missing or null. Each throws a `Failure` that
 *  names file, field and value when it is of another kind. */
export interface ConfigFields {
  /** As it is there; undefined where it is missing. */
  raw(name: string): Json | undefined
  /** A positive whole number. */
  count(name: string): number
  /** A positive number. */
  real(name: string): number
  /** The same, or undefined where it is missing or null. */
  realOrNone(name: string): number | undefined
  flag(name: string): boolean
  /** An entry per layer, or undefined where it is missing or null. */
  perLayer(name: string): readonly Json[] | undefined
  /** The error for something in this file that cannot be. */
  refuse(message: string, remedy?: string): Error
}

/** Where a weight lies in a checkpoint. Matrices lie as [out, in] there. Several weights of one slot with the same tensor
 *  are its rows, one behind the other, in the order of the table. */
export type TensorTable = Readonly<Record<string, string>>

/** Names of a family's tensors. */
export interface FamilyTensors {
  /** Of all layers, before the layer's number: `model.layers.` */
  readonly layers: string
  readonly embedding: string
  readonly norm: string
  readonly head: string
  /** Norms of a slot, `norm` and `post`. */
  readonly norms: Readonly<Record<Slot, TensorTable>>
  /** Other weights by the block type that they belong to; block types that are not there get names of puzzleflow's own. */
  readonly blocks: Readonly<Record<Slot, Readonly<Record<string, TensorTable>>>>
}

/** How a family of models spells its config.json and its tensors. */
export interface Family {
  readonly name: string
  /** Values of `model_type` that are this family. */
  readonly modelTypes: readonly string[]
  /** Values of `architectures` that are read. */
  readonly architectures: readonly string[]
  /** What fields stand for that config.json leaves out. */
  readonly defaults?: JsonObject
  /** Fields of which other values than these are refused, and why. A missing or null field is never refused. */
  readonly refused?: Readonly<Record<string, { readonly except: readonly Json[]; readonly why: string }>>
  /** The field with the activation. Default `hidden_act`. */
  readonly activationField?: string
  readonly traits?: (fields: ConfigFields) => FamilyTraits
  /** Tokens that a layer's tokens see, themselves included; undefined: all. */
  readonly window?: (fields: ConfigFields, layer: number) => number | undefined
  /** Which rotary embedding a layer has: a key of `rope_parameters` where those are per layer type, and of `rotaries`;
   *  `none` for no rotation. Default: `full_attention` everywhere. */
  readonly rotary?: (fields: ConfigFields, layer: number) => string
  /** Older spelling of layer types' rotary embeddings: the field with theta, and whether `rope_scaling` is for them.
   *  Default: `rope_theta`, scaled. */
  readonly rotaries?: Readonly<Record<string, { readonly theta: string; readonly scaled: boolean }>>
  /** Values of `rope_type` that are read. Default: all that are known. */
  readonly ropeTypes?: readonly string[]
  /** Sub-blocks by layer, where they are not grouped-query or sliding-window attention and a gated FFN of one size. */
  readonly blocks?: (fields: ConfigFields) => readonly LayerBlocks[]
  readonly tensors: FamilyTensors
}

/** A family of models, checked. */
export const defineFamily = (family: Family): Family => family
