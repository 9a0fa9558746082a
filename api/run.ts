import type { About, BlockChoice, JsonObject, LayerFacts, Weights } from './block.js'

/** A layer of a run, in the parent. */
export interface RunLayer {
  /** Sizes of the layer. */
  readonly facts: LayerFacts
  /** Block of its attention slot. */
  readonly attention: BlockChoice
  /** Block of its FFN slot. */
  readonly ffn: BlockChoice
}

/** Weights of a layer's slots, `norm` included; {} for an empty slot. */
export interface LayerWeights {
  /** Weights of the attention slot. */
  readonly attention: Weights
  /** Weights of the FFN slot. */
  readonly ffn: Weights
}

/**
 * A way to replace a run of consecutive layers. The first layer of the run takes what remains and the others become empty, so a
 * child is a model like any other.
 *
 * @typeParam P  parameters of one variant, JSON
 */
export interface RunType<P extends JsonObject = JsonObject> {
  /** Name in specs, `run: NAME`; unique. */
  readonly name: string
  /** Part of task keys. Raise it when the same parameters would give different numbers. */
  readonly version: number
  /** JSON Schema of what a spec may write next to `run:`. */
  readonly parameters: object
  /** Description for people, shown by `plugins ls`. */
  readonly about?: About
  /**
   * Lists the variants that an entry of the spec's `space.runs` stands for.
   * @param layers  number of layers of the model
   * @throws Failure `InvalidInput` for a value that does not fit the model
   */
  variants(layers: number, entry: JsonObject): Iterable<P, unknown>
  /** Returns a variant's short name, unique among all run types: `fuse-ffn-2`. It must not contain `+` or `/`. */
  id(params: P): string
  /** Returns the number of layers that the run replaces. */
  span(params: P): number
  /** Returns what the first layer becomes; an absent slot becomes empty. Undefined if this run cannot be replaced. */
  blocks(
    run: readonly RunLayer[],
    params: P,
  ): { readonly attention?: BlockChoice; readonly ffn?: BlockChoice } | undefined
  /** Computes training-free weights of the first layer's slots, `norm` included, from the parent's weights of the run's layers. */
  initialise(weights: readonly LayerWeights[], run: readonly RunLayer[], params: P): Partial<LayerWeights>
}
