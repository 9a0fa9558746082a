import type { Blocks, Slot, Weights } from '../api/index.js'
import type { ModelConfig } from './config.js'

/** A model whose weights are read when they are asked for. Matrices of slots lie as [in, out]. */
export interface Model {
  /** Where config.json and the tokenizer are, or a GGUF file that has both inside. */
  readonly folder: string
  readonly config: ModelConfig
  readonly blocks: Blocks
  /** What the user should know of a checkpoint that is not quite as its config.json says. */
  readonly warnings?: readonly string[]
  /** Weights of a slot, its norms included as `norm` and, in families that have one, `post`; {} for an empty block. Those that are integers in memory come as the
   *  numbers they stand for. */
  weights(layer: number, slot: Slot): Promise<Weights>
  /** [vocabulary, hidden] */
  embedding(): Promise<Float32Array>
  /** Weight of the norm before the head, [hidden]. */
  norm(): Promise<Float32Array>
  /** [vocabulary, hidden]; the embedding where they are tied. */
  head(): Promise<Float32Array>
}
