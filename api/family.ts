import type { BlockChoice, Json, JsonObject, Slot } from './block.js'

/**
 * Rotary position embedding, and how its frequencies are scaled for long contexts.
 * @source Su et al. 2021, "RoFormer", arXiv 2104.09864, eq. 34
 */
export interface RotaryConfig {
  /** Base of the frequencies. */
  readonly theta: number
  /** @default none */
  readonly scaling?:
    | /** No rotation: all cosines are 1 and all sines 0. */ { readonly kind: 'none' }
    | { readonly kind: 'linear'; readonly factor: number }
    | /** NTK-aware: theta grows once a sequence is longer than `originalPositions`. */ {
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
    | /** YaRN, arXiv 2309.00071. Cosines and sines are multiplied by `attentionFactor`. */ {
        readonly kind: 'yarn'
        readonly factor: number
        readonly originalPositions: number
        readonly attentionFactor: number
        readonly betaFast: number
        readonly betaSlow: number
        /** Whether the bounds of the interpolated range are rounded to whole pairs of channels. */
        readonly truncate: boolean
      }
}

/** The sub-blocks of a layer. */
export interface LayerBlocks {
  /** Block of the attention slot. */
  readonly attention: BlockChoice
  /** Block of the FFN slot. */
  readonly ffn: BlockChoice
}

/** How a family differs from Llama. An absent trait means: like Llama. */
export interface FamilyTraits {
  /** Whether queries and keys are RMS-normalised per head before rotation; weights `q.norm` and `k.norm`, [headDim]. @default false */
  readonly qkNorm?: boolean
  /** Norms multiply by `normOffset` + weight. @default 0 */
  readonly normOffset?: 0 | 1
  /** Whether the output of each block is normalised before the residual connection; weight `post`, [hidden]. @default false */
  readonly postNorms?: boolean
  /** Factor on the embeddings. @default 1 */
  readonly embeddingScale?: number
  /** Factor on a block's output before the residual connection. @default 1 */
  readonly residualScale?: number
  /** Factor on the logits. @default 1 */
  readonly logitsScale?: number
  /** Soft cap on the logits: cap * tanh(logits / cap). @default none */
  readonly finalSoftcap?: number
  /** Factor on the dot products of queries and keys. @default 1 / sqrt(headDim) */
  readonly attentionScale?: number
  /** Soft cap on the scaled dot products: cap * tanh(x / cap). @default none */
  readonly attentionSoftcap?: number
  /** Whether queries, keys and values have biases. @default false */
  readonly qkvBias?: boolean
  /** Whether attention's output projection has a bias. @default false */
  readonly outputBias?: boolean
  /** Whether the FFN has biases. @default false */
  readonly mlpBias?: boolean
}

/**
 * Fields of a config.json; the family's defaults replace those that are missing or null.
 * @throws Failure `InvalidInput` (every method) that names file, field and value if the field has another type
 */
export interface ConfigFields {
  /** The field as written; undefined if it is missing. */
  raw(name: string): Json | undefined
  /** A positive integer. */
  count(name: string): number
  /** A positive number. */
  real(name: string): number
  /** A positive number; undefined if the field is missing or null. */
  realOrNone(name: string): number | undefined
  /** A boolean. */
  flag(name: string): boolean
  /** A list with one entry per layer; undefined if the field is missing or null. */
  perLayer(name: string): readonly Json[] | undefined
  /** Creates the error for an impossible combination in this file, to be thrown. */
  refuse(message: string, remedy?: string): Error
}

/**
 * Names of a checkpoint's tensors, by weight. The checkpoint stores matrices as [out, in]. If several weights of a slot have the
 * same tensor, they are consecutive rows of it, in the order of the table.
 */
export type TensorTable = Readonly<Record<string, string>>

/** Names of a family's tensors. */
export interface FamilyTensors {
  /** Prefix of all layers, before the number of the layer: `model.layers.` */
  readonly layers: string
  /** The input embedding. */
  readonly embedding: string
  /** The final norm. */
  readonly norm: string
  /** The output embedding. */
  readonly head: string
  /** The norms of each slot, `norm` and `post`. */
  readonly norms: Readonly<Record<Slot, TensorTable>>
  /** Other weights, by slot and block type. Weights of other block types get names that puzzleflow chooses. */
  readonly blocks: Readonly<Record<Slot, Readonly<Record<string, TensorTable>>>>
}

/** How a family of models writes its config.json and names its tensors. */
export interface Family {
  /** Name for messages. */
  readonly name: string
  /** Values of `model_type` that denote this family. */
  readonly modelTypes: readonly string[]
  /** Supported values of `architectures`. */
  readonly architectures: readonly string[]
  /** Values of fields that config.json omits. @default none */
  readonly defaults?: JsonObject
  /** Fields that are rejected unless they have one of these values, and why. Missing and null fields are accepted. @default none */
  readonly refused?: Readonly<Record<string, { readonly except: readonly Json[]; readonly why: string }>>
  /** Name of the field with the activation. @default 'hidden_act' */
  readonly activationField?: string
  /** How the family differs from Llama. @default not at all */
  readonly traits?: (fields: ConfigFields) => FamilyTraits
  /** Number of tokens that tokens of a layer attend to, themselves included; undefined: all. @default all, in every layer */
  readonly window?: (fields: ConfigFields, layer: number) => number | undefined
  /**
   * The rotary embedding of a layer: a key of `rope_parameters`, if those are per layer type, and of `rotaries`; `none` for no
   * rotation.
   * @default 'full_attention' in every layer
   */
  readonly rotary?: (fields: ConfigFields, layer: number) => string
  /**
   * Older spelling of the rotary embeddings by layer type: the field with theta, and whether `rope_scaling` applies.
   * @default `rope_theta`, scaled
   */
  readonly rotaries?: Readonly<Record<string, { readonly theta: string; readonly scaled: boolean }>>
  /** Supported values of `rope_type`. @default all known ones */
  readonly ropeTypes?: readonly string[]
  /** Sub-blocks by layer. @default grouped-query or sliding-window attention, and a gated FFN of the same size everywhere */
  readonly blocks?: (fields: ConfigFields) => readonly LayerBlocks[]
  /** Names of the tensors. */
  readonly tensors: FamilyTensors
}

/** Declares a family of models; the compiler checks it. */
export const defineFamily = (family: Family): Family => family
