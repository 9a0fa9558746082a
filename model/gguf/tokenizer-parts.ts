import type { Json, JsonObject } from '../../api/index.js'
import type { NumberList } from './container.js'
import type { Keys } from './read-keys.js'

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

/** Scores of tokens, by id. @throws Failure InvalidInput where there is not one for each */
export function scoresOf(keys: Keys, { texts }: Tokens): NumberList {
  const scores = keys.numbersOrNone('tokenizer.ggml.scores')
  if (scores?.length === texts.length) return scores
  throw keys.refuse(`tokenizer.ggml.scores has ${scores?.length ?? 'no'} entries for ${texts.length} tokens`)
}
