import type { Json, JsonObject } from '../../api/index.js'
import type { NumberList } from './container.js'
import type { Keys } from './read-keys.js'

/** Tokens of a GGUF file, by id. */
export interface Tokens {
  readonly texts: readonly string[]
  readonly types: ArrayLike<number>
  readonly ids: ReadonlyMap<string, number>
}

/** The pairs of neighbours that are joined. */
export interface Merges {
  /** Returns the rank of a pair. The lowest is joined first; pairs without a rank are never joined. */
  readonly rank: (left: string, right: string) => number | undefined
  /** Lists all pairs by rank, as in a tokenizer.json. There may be half a million. */
  list(): [string, string][]
}

/** The parts that differ between kinds of tokenizers. */
export interface TokenizerParts {
  readonly normalizer: Json
  readonly preTokenizer: Json
  readonly decoder: Json
  /** Absent if `model` is complete without merges. */
  readonly merges?: Merges
  readonly model: JsonObject
  /** Whether `<s>` comes first, unless the file says otherwise. */
  readonly addsBos: boolean
  /** Whether `</s>` comes last, unless the file says otherwise. @default false */
  readonly addsEos?: boolean
}

/** Reads the scores of tokens, by id. @throws Failure InvalidInput unless there is one for each token */
export function scoresOf(keys: Keys, { texts }: Tokens): NumberList {
  const scores = keys.numbersOrNone('tokenizer.ggml.scores')
  if (scores?.length === texts.length) return scores
  throw keys.refuse(`tokenizer.ggml.scores has ${scores?.length ?? 'no'} entries for ${texts.length} tokens`)
}
