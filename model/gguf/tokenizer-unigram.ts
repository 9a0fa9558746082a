import type { Json } from '../../api/index.js'
import type { Keys } from './read-keys.js'
import { scoresOf, type TokenizerParts, type Tokens } from './tokenizer-parts.js'
import { space, tokenTypes } from './types.js'
import { shown } from '../../errors/foreign.js'

/** Regular expressions of a normaliser and their replacements: several spaces become one, and those at the ends of a text are
 *  removed. (`^` and `$` would match at line breaks in Hugging Face's regular expressions.) */
export const spaceSteps = { joining: [' {2,}', ' '], trimming: ['(?<![\\s\\S]) +| +(?![\\s\\S])', ''] } as const

/** Reads a Unigram tokenizer: `tokenizer.ggml.model` is "t5". */
export function unigramParts(keys: Keys, tokens: Tokens): TokenizerParts {
  const scores = scoresOf(keys, tokens)
  if (keys.raw('tokenizer.ggml.precompiled_charsmap') !== undefined)
    throw keys.refuse(
      'has a tokenizer that normalises letters (tokenizer.ggml.precompiled_charsmap), which is not supported',
    )
  const userDefined = tokens.texts.find((_, id) => tokens.types[id] === tokenTypes.userDefined)
  if (userDefined !== undefined)
    throw keys.refuse(`has the user-defined token ${shown(userDefined)}, which is not supported for Unigram tokenizers`)
  const joined = keys.flag('tokenizer.ggml.remove_extra_whitespaces', false)
  if (!joined && keys.flag('tokenizer.ggml.add_space_prefix', false))
    throw keys.refuse(
      'adds a space before texts and keeps repeated spaces, which is not supported for Unigram tokenizers',
    )
  const unknown = keys.numberOrNone('tokenizer.ggml.unknown_token_id') ?? 2
  const metaspace: Json = {
    type: 'Metaspace',
    replacement: space,
    prepend_scheme: joined ? 'always' : 'never',
    split: true,
  }
  const replaces: Json[] = Object.values(spaceSteps).map(([regex, content]) => ({
    type: 'Replace',
    pattern: { Regex: regex },
    content,
  }))
  return {
    normalizer: joined ? { type: 'Sequence', normalizers: replaces } : null,
    preTokenizer: metaspace,
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: unknown, byte_fallback: false, vocab: piecesOf(tokens, scores) },
    addsBos: false,
    addsEos: true,
  }
}

/** Pieces with their scores by id, up to the last one that a text can contain. */
function piecesOf({ texts, types }: Tokens, scores: ArrayLike<number>): [string, number][] {
  let [count, smallest] = [0, 0]
  for (let id = 0; id < texts.length; id++) {
    if (types[id] !== tokenTypes.unused) count = id + 1
    if (types[id] === tokenTypes.normal) smallest = Math.min(smallest, scores[id]!)
  }
  // The unknown token is scored relative to the smallest score, so tokens that are not pieces must not lower it.
  return texts.slice(0, count).map((text, id) => [text, Math.max(scores[id]!, smallest)])
}
