import type { ArtifactRef } from '../store/store.js'
import type { Graph, Value } from '../tensor/index.js'

/** The two sub-blocks of a decoder layer, in the order in which a hidden state passes through them. */
export const slots = ['attention', 'ffn'] as const
/** One of the two sub-blocks of a layer. */
export type Slot = (typeof slots)[number]

/** JSON data: parameters of variants and tasks. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json }
/** `T` if all of it is JSON, including interfaces; otherwise a type that nothing can be assigned to. */
export type JsonOf<T> = T extends Json | ArtifactRef
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { readonly [K in keyof T]: JsonOf<T[K]> }
      : never

/** What a block type may know about the parent's layer. All sizes are numbers of elements. */
export interface LayerFacts {
  /** Index of the layer, from 0. */
  readonly layer: number
  /** Number of layers. */
  readonly layers: number
  /** Hidden size. */
  readonly hidden: number
  /** Number of query heads. */
  readonly heads: number
  /** Number of key/value heads. */
  readonly kvHeads: number
  /** Head dimension. */
  readonly headDim: number
  /** Intermediate size: channels of the FFN. */
  readonly intermediate: number
  /** Whether queries, keys and values have biases; also the output, unless `outputBias` differs. */
  readonly attentionBias: boolean
  /** Whether the FFN has biases. */
  readonly mlpBias: boolean
  /** Epsilon of the RMS norms. */
  readonly normEps: number
  /** Whether attention's output projection has a bias. @default attentionBias */
  readonly outputBias?: boolean
  /**
   * Whether queries and keys are normalised per head before rotation, with weights `q.norm` and `k.norm`, [headDim].
   * @default false
   */
  readonly qkNorm?: boolean
  /** Norms multiply by `normOffset` + weight. @default 0 */
  readonly normOffset?: 0 | 1
  /** Activation of the FFN; `gelu-tanh` is the tanh approximation of GELU. @default 'silu' */
  readonly activation?: 'silu' | 'gelu-tanh'
  /** Factor on the dot products of queries and keys. @default 1 / sqrt(headDim) */
  readonly attentionScale?: number
  /** Soft cap on the scaled dot products: cap * tanh(x / cap). @default none */
  readonly attentionSoftcap?: number
  /** Number of tokens that a token attends to in the parent, including itself. @default all earlier ones */
  readonly window?: number
  /** Factor on a block's output before the residual connection; the model applies it. @default 1 */
  readonly residualScale?: number
  /** Whether the output of each block is normalised before the residual connection; the model does it. @default false */
  readonly postNorms?: boolean
}

/** A weight in memory. */
export interface Weight {
  /** Matrices are [in, out]. */
  readonly shape: readonly number[]
  /** Row-major. */
  readonly data: Float32Array
}
/** Weights by name. */
export type Weights = Readonly<Record<string, Weight>>

/** Measurements of a layer on calibration text, for `initialise`. An entry is absent if it was not captured. */
export interface LayerStatistics {
  /**
   * Contribution of each FFN channel: the mean over tokens of |activation_i| * ||W_down[i, :]||, [intermediate].
   * @source Bercovich et al. 2024, "Puzzle", arXiv 2411.19146, appendix A
   */
  readonly channelContribution?: Float32Array
  /** Present for variants that request tokens with `sampleTokens`. */
  readonly sample?: Sample
}

/** Calibration text as it enters the block in the parent: whole sequences. */
export interface Sample {
  /** Number of sequences. */
  readonly sequences: number
  /** Tokens per sequence. */
  readonly length: number
  /** Normalised hidden states, [sequences * length, hidden]. */
  readonly x: Float32Array
  /** 1 for tokens, 0 for padding, [sequences * length]. */
  readonly mask: Float32Array
  /** Rotary tables of the positions 0 .. length - 1, [length, headDim]. */
  readonly rotary: { readonly cos: Float32Array; readonly sin: Float32Array }
}

/** State that a block carries from chunk to chunk during decoding. */
export type StateShape =
  /**
   * Grows by one row per token, like a KV cache. Past state is [batch, heads, capacity, dim]; `forward` returns the new rows,
   * [batch, heads, length, dim].
   */
  | { readonly name: string; readonly kind: 'per-token'; readonly shape: readonly [heads: number, dim: number] }
  /**
   * Holds the last `window` tokens at most. Past state is [batch, heads, slots, dim], in no particular order: `windowMasks`
   * tells which slots count. `forward` returns the new rows, [batch, heads, length, dim].
   */
  | {
      readonly name: string
      readonly kind: 'window'
      readonly shape: readonly [heads: number, dim: number]
      readonly window: number
    }
  /** Has a fixed size. Past state is [batch, ...shape]; `forward` returns the entire new state. */
  | { readonly name: string; readonly kind: 'per-sequence'; readonly shape: readonly number[] }

/** Position and state of the chunk of tokens that `forward` computes. */
export interface BlockContext {
  /** Sizes of the layer in the parent. */
  readonly facts: LayerFacts
  /** Number of sequences. */
  readonly batch: number
  /** Tokens per sequence in this chunk. */
  readonly length: number
  /** Rotary tables of the chunk's positions, scaled, [length, headDim]; absent if the layer has no rotary embedding. */
  readonly rotary?: { readonly cos: Value; readonly sin: Value }
  /** State before the chunk; absent at the start of a sequence. */
  readonly past?: Readonly<Record<string, Value>>
  /** Additive mask over the slots of per-token state, float32 [capacity]: 0 if valid, otherwise -1e9. Present with `past`. */
  readonly mask?: Value
  /**
   * For each state of kind `window`, by name: additive mask over its slots for each token of the chunk, float32
   * [length, slots]. 0 for a token at most `window` earlier, otherwise -1e9. Present with `past`.
   */
  readonly windowMasks?: Readonly<Record<string, Value>>
  /**
   * Present if sequences of the batch may begin with padding. A block type that ignores it treats padding as text; exports
   * state this.
   */
  readonly padding?: Padding
  /** Whether to return the new state. */
  readonly wantState: boolean
}

/** Additive padding masks, float32: 0 for tokens, -1e9 for padding. */
export interface Padding {
  /** Over the chunk's tokens, [batch, length]. */
  readonly own: Value
  /** Over the slots of per-token state, [batch, capacity]. Present with `past`. */
  readonly past?: Value
  /** Over the slots of states of kind `window`, by window size, [batch, slots]. */
  readonly windows: Readonly<Record<number, Value>>
}

/** Result of `forward`. */
export interface BlockResult {
  /** Output before the residual connection, [batch * length, hidden]. */
  readonly y: Value
  /** New state by name, if the context requests it (see `StateShape`). */
  readonly state?: Readonly<Record<string, Value>>
}

/**
 * A kind of sub-block that can fill a slot of a layer. The model handles the norm before the slot (weight `norm`, part of the
 * slot's weights) and the residual connection; the block type handles everything in between.
 *
 * @typeParam P  parameters of one variant, JSON
 */
export interface BlockType<P extends JsonObject = JsonObject> {
  /** Name in specs, `block: NAME`; unique within the slot. */
  readonly name: string
  /** The slot that it fills. */
  readonly slot: Slot
  /** Part of task keys. Raise it when the same parameters would give different numbers. */
  readonly version: number
  /** JSON Schema of what a spec may write next to `block:`. */
  readonly parameters: object
  /**
   * Lists the variants that an entry of the spec's `space` stands for in this layer.
   * @throws Failure `InvalidInput` for a value that does not fit the parent
   */
  variants(facts: LayerFacts, entry: JsonObject): Iterable<P, unknown>
  /** Returns a variant's short name, unique within the slot: `grouped-query-2`, `swiglu-256`, `linear`, `no-op`. */
  id(params: P): string
  /** Returns the shapes of the weights by name, without `norm`; {} if there are none. */
  shapes(facts: LayerFacts, params: P): Readonly<Record<string, readonly number[]>>
  /** Computes training-free initial weights from the parent's; neither includes `norm`. */
  initialise(parent: Weights, facts: LayerFacts, params: P, statistics: LayerStatistics): Weights | Promise<Weights>
  /**
   * Returns how many tokens of calibration text `initialise` needs as `statistics.sample`, rounded up to whole sequences.
   * @default 0
   */
  sampleTokens?(params: P): number
  /**
   * Names the weights that train alone during the first half of distillation; the others start after it.
   * @default all weights train from the start
   */
  learnsFirst?(params: P): readonly string[]
  /**
   * Names the weight that the output is a product with, [features, hidden], apart from a bias. `distill` can solve for it
   * (`training: closed-form`).
   * @default none: there is no such weight
   */
  readonly lastMatrix?: string
  /**
   * Builds the computation for a chunk of any length, starting from the past state.
   * @param x  normalised hidden states, [batch * length, hidden]
   */
  forward(g: Graph, x: Value, weights: Readonly<Record<string, Value>>, params: P, context: BlockContext): BlockResult
  /** Declares the state carried during decoding. @default none */
  state?(facts: LayerFacts, params: P): readonly StateShape[]
  /** Whether the sub-block contributes nothing, so that norm, `forward` and residual connection are omitted. @default false */
  readonly empty?: boolean
  /** Description for people, shown by `plugins ls` and in docs/blocks.md. */
  readonly about?: About
}

/** Description of a type for people, a sentence or two each. */
export interface About {
  /** What it computes. */
  readonly summary: string
  /** Where its initial weights come from. */
  readonly initialisation?: string
  /** Paper and equation. */
  readonly source?: string
  /** When it is worthwhile, and when it is not. */
  readonly pays?: string
}

/** A block type with parameters, as written in configurations and plans. */
export interface BlockChoice {
  /** Name of the block type. */
  readonly block: string
  /** Parameters of the variant. */
  readonly params: JsonObject
}
