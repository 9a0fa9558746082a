import type { About, BlockChoice, JsonObject, LayerFacts, Weights } from './block.js'

/** A layer of a run as it is in the parent. */
export interface RunLayer {
  readonly facts: LayerFacts
  readonly attention: BlockChoice
  readonly ffn: BlockChoice
}

/** Weights of a layer's slots, each with `norm`; {} where a slot is empty. */
export interface LayerWeights {
  readonly attention: Weights
  readonly ffn: Weights
}

/**
 * A way to replace a run of neighbouring layers. What remains stands in the run's first layer; the others become empty, so
 * that a child is a model like any other.
 *
 * @typeParam P  parameters of one variant, JSON
 */
export interface RunType<P extends JsonObject = JsonObject> {
  readonly name: string
  /** Raised by hand when the same parameters give other numbers: it enters the keys of tasks. */
  readonly version: number
  /** JSON Schema of what a spec may write beside `run:`. */
  readonly parameters: object
  readonly about?: About
  /** Variants that an entry of the spec's `space.runs` stands for, in a model of so many layers. Throws a `Failure` for
   *  what the model cannot have. */
  variants(layers: number, entry: JsonObject): Iterable<P, unknown>
  /** Short name of a variant, unique among all run types: `fuse-ffn-2`. No `+` and no `/` in it. */
  id(params: P): string
  /** Layers that it replaces. */
  span(params: P): number
  /** What the run's first layer becomes; a slot that is absent becomes empty. Undefined: this run cannot be replaced so. */
  blocks(
    run: readonly RunLayer[],
    params: P,
  ): { readonly attention?: BlockChoice; readonly ffn?: BlockChoice } | undefined
  /** Training-free weights of the first layer's slots, `norm` included, from the parent's of all layers of the run. */
  initialise(weights: readonly LayerWeights[], run: readonly RunLayer[], params: P): Partial<LayerWeights>
}
