import type { Graph, Value } from '../../tensor/index.js'

export type Slot = 'attention' | 'ffn'

/** JSON: what parameters and task parameters are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** What a block type may know of the parent's layer. Sizes in elements. */
export interface LayerFacts {
  readonly layer: number
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediate: number
  /** Biases of queries, keys and values; and of the output, unless `outputBias` says otherwise. */
  readonly attentionBias: boolean
  readonly mlpBias: boolean
  readonly normEps: number
  /** Whether attention's output has a bias. Default: `attentionBias`. */
  readonly outputBias?: boolean
  /** The parent normalises each head of queries and keys before it rotates them, with weights `q.norm` and `k.norm`,
   *  [headDim]. Default false. */
  readonly qkNorm?: boolean
  /** Norms multiply with this + weight. Default 0. */
  readonly normOffset?: 0 | 1
  /** The FFN's activation; `gelu-tanh` is GELU by its tanh approximation. Default `silu`. */
  readonly activation?: 'silu' | 'gelu-tanh'
  /** Products of queries and keys are multiplied by this. Default 1 / sqrt(headDim). */
  readonly attentionScale?: number
  /** Scaled products of queries and keys become cap * tanh(products / cap). Default: they stay as they are. */
  readonly attentionSoftcap?: number
  /** Tokens that a token sees in the parent's attention, itself included. Default: all before it. */
  readonly window?: number
  /** What a block returns is multiplied by this before the residual addition, which is the model's affair. Default 1. */
  readonly residualScale?: number
  /** There is a norm behind each block, before the residual addition: the model's affair, too. Default false. */
  readonly postNorms?: boolean
}

/** A weight in memory; matrices are stored [in, out]. */
export interface Weight {
  readonly shape: readonly number[]
  readonly data: Float32Array
}
export type Weights = Readonly<Record<string, Weight>>

/** What calibration measured of a layer, for initialisers. Absent entries were not captured. */
export interface LayerStatistics {
  /** Mean over tokens of |activation_i| * ||W_down[i, :]||, one per FFN channel, [intermediate] (Puzzle, appendix A). */
  readonly channelContribution?: Float32Array
  /** Present for variants with `sampleTokens`. */
  readonly sample?: Sample
}

/** Calibration text as it enters the block's place in the parent: whole sequences. */
export interface Sample {
  readonly sequences: number
  readonly length: number
  /** Normalised hidden states, [sequences * length, hidden]. */
  readonly x: Float32Array
  /** 1 for tokens, 0 for padding, [sequences * length]. */
  readonly mask: Float32Array
  /** Rotary tables of positions 0 .. length-1, [length, headDim]. */
  readonly rotary: { readonly cos: Float32Array; readonly sin: Float32Array }
}

/** State a block carries from chunk to chunk while decoding. */
export type StateShape =
  /** Grows by a row a token: past [batch, heads, capacity, dim]; `forward` returns the new rows [batch, heads, length, dim]. */
  | { readonly name: string; readonly kind: 'per-token'; readonly shape: readonly [heads: number, dim: number] }
  /** The last `window` tokens, at most: past [batch, heads, slots, dim] in no order, which `windowMasks` tells about;
   *  `forward` returns the new rows [batch, heads, length, dim]. */
  | {
      readonly name: string
      readonly kind: 'window'
      readonly shape: readonly [heads: number, dim: number]
      readonly window: number
    }
  /** Fixed size: past [batch, ...shape]; `forward` returns the whole new state. */
  | { readonly name: string; readonly kind: 'per-sequence'; readonly shape: readonly number[] }

/** Where a chunk of tokens stands. */
export interface BlockContext {
  readonly facts: LayerFacts
  readonly batch: number
  /** Tokens of each sequence in this chunk. */
  readonly length: number
  /** Rotary tables of this chunk's positions, [length, headDim], scaling done; absent where the layer has no rotary embedding. */
  readonly rotary?: { readonly cos: Value; readonly sin: Value }
  /** State before the chunk; absent at the start of a sequence. */
  readonly past?: Readonly<Record<string, Value>>
  /** Additive mask over the slots of per-token state, [capacity] float32: 0 valid, -1e9 not. Present with `past`. */
  readonly mask?: Value
  /** Of every state of kind `window` by its name: additive mask over its slots for each token of the chunk, [length, slots]
   *  float32: 0 for a token at most `window` before it, -1e9 for others. Present with `past`. */
  readonly windowMasks?: Readonly<Record<string, Value>>
  /** Present where sequences of the batch may begin with padding; block types that do not look at it compute such batches
   *  as if padding were text, and exports say so. */
  readonly padding?: Padding
  /** Whether the new state is wanted. */
  readonly wantState: boolean
}

/** Additive masks, float32: 0 for tokens, -1e9 for padding. */
export interface Padding {
  /** Of the chunk's tokens, [batch, length]. */
  readonly own: Value
  /** Of the slots of per-token state, [batch, capacity]. Present with `past`. */
  readonly past?: Value
  /** Of the slots of states of kind `window`, by its size, [batch, slots]. */
  readonly windows: Readonly<Record<number, Value>>
}

export interface BlockResult {
  /** [batch * length, hidden], before the residual addition. */
  readonly y: Value
  readonly state?: Readonly<Record<string, Value>>
}

/**
 * A kind of sub-block that can fill a slot of a layer. The model owns the norm before the slot (weight `norm`, part of
 * the slot's weights) and the residual addition; the block type owns all between.
 *
 * @typeParam P  parameters of one variant, JSON
 */
export interface BlockType<P extends JsonObject = JsonObject> {
  readonly name: string
  readonly slot: Slot
  /** Raised by hand when the same parameters give other numbers: it enters the keys of tasks. */
  readonly version: number
  /** JSON Schema of what a spec may write beside `block:`. */
  readonly parameters: object
  /** Variants that an entry of the spec's `space` stands for at this layer. Throws a `Failure` for a value the parent cannot have. */
  variants(facts: LayerFacts, entry: JsonObject): Iterable<P, unknown>
  /** Short name of a variant, unique within the slot: `grouped-query-2`, `swiglu-256`, `linear`, `no-op`. */
  id(params: P): string
  /** Weights by name without `norm`; {} when there are none. */
  shapes(facts: LayerFacts, params: P): Readonly<Record<string, readonly number[]>>
  /** Training-free initial weights from the parent's (both without `norm`). */
  initialise(parent: Weights, facts: LayerFacts, params: P, statistics: LayerStatistics): Weights | Promise<Weights>
  /** Tokens of calibration text that `initialise` wants to see as `statistics.sample`, rounded up to whole sequences.
   *  Default: none. */
  sampleTokens?(params: P): number
  /** Names of weights that learn alone in the first half of distillation; the others begin behind it. */
  learnsFirst?(params: P): readonly string[]
  /** The maths. x: [batch * length, hidden], normalised. A chunk of any length, from the incoming state. */
  forward(g: Graph, x: Value, weights: Readonly<Record<string, Value>>, params: P, context: BlockContext): BlockResult
  state?(facts: LayerFacts, params: P): readonly StateShape[]
  /** True when the sub-block contributes nothing: norm, forward and residual addition are left out. */
  readonly empty?: boolean
  /** For people: `plugins ls` and docs/blocks.md show it. */
  readonly about?: About
}

/** What people should know of a block type, each a sentence or two. */
export interface About {
  /** What it computes. */
  readonly summary: string
  /** Where its weights come from. */
  readonly initialisation?: string
  /** Paper and equation. */
  readonly source?: string
  /** When it pays, and when it does not. */
  readonly pays?: string
}

/** A block type with its parameters, as configurations and plans write it. */
export interface BlockChoice {
  readonly block: string
  readonly params: JsonObject
}
