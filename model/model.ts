import type { Blocks, Slot, Weights } from '../api/index.js'
import type { ModelConfig } from './config.js'

/** A model whose weights are read when needed. Matrices of slots are [in, out]. */
export interface Model {
  /** Path of the folder with config.json and the tokenizer, or of a GGUF file that contains both. */
  readonly folder: string
  /** The architecture. */
  readonly config: ModelConfig
  /** Block types and families, built in and from plugins. */
  readonly blocks: Blocks
  /** Notes for the user about differences between the checkpoint and its config.json. */
  readonly warnings?: readonly string[]
  /** Reads the weights of a slot, with the norm before the block as `norm` and, in families that have one, the norm after the
   *  block as `post`; {} for an empty block. Quantised weights are dequantised. */
  weights(layer: number, slot: Slot): Promise<Weights>
  /** Reads the embedding, [vocabulary, hidden]. */
  embedding(): Promise<Float32Array>
  /** Reads the weight of the final norm, [hidden]. */
  norm(): Promise<Float32Array>
  /** Reads the head, [vocabulary, hidden], which is the embedding if they are tied. */
  head(): Promise<Float32Array>
}
