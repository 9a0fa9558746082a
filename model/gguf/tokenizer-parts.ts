import type { Json, JsonObject } from '../../plugins/api/index.js'

/** Tokens of a GGUF file, by id. */
export interface Tokens {
  readonly texts: readonly string[]
  readonly types: ArrayLike<number>
  readonly ids: ReadonlyMap<string, number>
}

/** Which neighbours are joined. */
export interface Merges {
  /** Those of the lowest rank first; undefined: never. */
  readonly rank: (left: string, right: string) => number | undefined
  /** All of them by rank, as a tokenizer.json has them. There may be half a million. */
  list(): [string, string][]
}

/** What the kinds of tokenizers differ in. */
export interface TokenizerParts {
  readonly normalizer: Json
  readonly preTokenizer: Json
  readonly decoder: Json
  /** None: `model` is whole. */
  readonly merges?: Merges
  readonly model: JsonObject
  /** Whether `<s>` comes first where the file does not say so. */
  readonly addsBos: boolean
  /** Whether `</s>` comes last there. Default: no. */
  readonly addsEos?: boolean
}
