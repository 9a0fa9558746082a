import type { Json } from '../../api/index.js'
import type { Keys } from './read-keys.js'
import { scoresOf, type Merges, type TokenizerParts, type Tokens } from './tokenizer-parts.js'
import { space, tokenTypes } from './types.js'

/** Reads a SentencePiece BPE tokenizer: `tokenizer.ggml.model` is "llama". */
export function sentencePieceParts(keys: Keys, tokens: Tokens): TokenizerParts {
  const scores = scoresOf(keys, tokens)
  const prefix = keys.flag('tokenizer.ggml.add_space_prefix', true)
  const replace: Json = { type: 'Replace', pattern: { String: ' ' }, content: space }
  const steps: Json[] = [
    { type: 'Replace', pattern: { String: space }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ]
  return {
    normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: space }, replace] } : replace,
    preTokenizer: null,
    decoder: { type: 'Sequence', decoders: steps },
    merges: mergesOf(tokens, scores),
    model: { byte_fallback: true, fuse_unk: true },
    addsBos: true,
  }
}

/**
 * Derives merges from scores: of all neighbours that form a piece together, those whose piece has the highest score are joined
 * first. Every pair of pieces that form a piece is a merge.
 */
function mergesOf({ texts, types, ids }: Tokens, scores: ArrayLike<number>): Merges {
  const byScore: number[] = []
  let longest = 0
  for (let id = 0; id < texts.length; id++)
    if (types[id] === tokenTypes.normal || types[id] === tokenTypes.userDefined) {
      byScore.push(id)
      longest = Math.max(longest, texts[id]!.length)
    }
  byScore.sort((a, b) => scores[b]! - scores[a]! || a - b)
  // Places in the order of scores, by id; -1 for tokens that are not pieces.
  const places = new Int32Array(texts.length).fill(-1)
  byScore.forEach((id, place) => (places[id] = place))
  const placeOf = (text: string): number => places[ids.get(text) ?? -1] ?? -1
  return {
    rank(left, right) {
      const place = placeOf(left + right)
      if (place < 0 || placeOf(left) < 0 || placeOf(right) < 0) return undefined
      // Of a piece's pairs, the one with the shortest left part comes first.
      return place * longest + left.length
    },
    list: () =>
      byScore.flatMap((id) => splitsOf(texts[id]!).filter((pair) => pair.every((text) => placeOf(text) >= 0))),
  }
}

/** All ways to cut a text in two, but not between the two code units of one character. */
function splitsOf(text: string): [string, string][] {
  const splits: [string, string][] = []
  for (let at = 1; at < text.length; at++)
    if (!isLow(text.charCodeAt(at))) splits.push([text.slice(0, at), text.slice(at)])
  return splits
}

const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000
