import * as engines from '@huggingface/tokenizers'
import type { Json } from '../api/index.js'
import { isObject } from '../api/json-object.js'

/** The part of the library's tokenizer that is used here. */
export interface Engine {
  /** Splits words into tokens. */
  model: object
  encode(text: string, options: { add_special_tokens: boolean }): { ids: ArrayLike<number> }
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: false }): string
  id_to_token(id: number): string | undefined
}

/** Two neighbours in a text, as the library has them. */
interface Neighbours {
  readonly token: string
  readonly next: Neighbours
  /** 0 to below 1: the first of several of one rank comes first. */
  readonly bias: number
  score: number
}

/** The part of the library's byte pair encoding that is set here. */
interface BytePairs {
  tokens_to_ids: ReadonlyMap<string, number>
  vocab: readonly string[]
  unk_token_id: number | undefined
  add_node(queue: { push(node: Neighbours): void }, node: Neighbours): void
}

// The library's own types do not resolve under Node's module rules; what is used of it is stated here alone.
// eslint-disable-next-line no-restricted-syntax
const library = engines as unknown as {
  readonly Tokenizer: new (json: object, config: object) => Engine
  readonly BPE: new (settings: object) => BytePairs
}

export const { BPE } = library

/** Makes the library's tokenizer of a tokenizer.json and a tokenizer_config.json. */
export function makeEngine(json: object, config: object): Engine {
  const { pre_tokenizer: step = null } = json as { readonly pre_tokenizer?: Json }
  return new library.Tokenizer({ ...json, pre_tokenizer: withAllDigits(step) }, config)
}

/** For the library, `Digits` are 0 to 9. In tokenizers they are all numbers of Unicode, as in this split: ½, Ⅷ and ४, too. */
function withAllDigits(step: Json): Json {
  if (!isObject(step)) return step
  const { type, individual_digits: each, pretokenizers } = step
  if (type === 'Digits')
    return { type: 'Split', pattern: { Regex: each ? '\\p{N}' : '\\p{N}+' }, behavior: 'Isolated', invert: false }
  return Array.isArray(pretokenizers) ? { ...step, pretokenizers: (pretokenizers as Json[]).map(withAllDigits) } : step
}
