import type { Json } from '../../plugins/api/index.js'
import type { Keys } from './read-keys.js'
import type { Token, TokenizerParts } from './read-tokenizer.js'
import { tokenTypes } from './types.js'

/** What SentencePiece writes for a space. */
const space = '▁'

/** SentencePiece BPE: `tokenizer.ggml.model` is "llama". */
export function sentencePieceParts(keys: Keys, tokens: readonly Token[]): TokenizerParts {
  const scores = keys.numbersOrNone('tokenizer.ggml.scores')
  if (!scores || scores.length !== tokens.length)
    throw keys.refuse(`tokenizer.ggml.scores has ${scores?.length ?? 'no'} entries for ${tokens.length} tokens`)
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
 * Merges that do what scores do: of all neighbours that make a piece together, those are joined first whose piece has the
 * highest score. Each piece is what any two others that make it join to.
 */
function mergesOf(tokens: readonly Token[], scores: readonly number[]): [string, string][] {
  const joinable = tokens.filter(({ type }) => type === tokenTypes.normal || type === tokenTypes.userDefined)
  const pieces = new Set(joinable.map(({ text }) => text))
  const byScore = joinable
    .filter(({ text }) => text.length > 1)
    .sort((a, b) => scores[b.id]! - scores[a.id]! || a.id - b.id)
  const merges: [string, string][] = []
  for (const { text } of byScore)
    for (let at = 1; at < text.length; at++) {
      // Not within a character of two code units.
      if (isLow(text.charCodeAt(at))) continue
      const left = text.slice(0, at)
      if (!pieces.has(left)) continue
      const right = text.slice(at)
      if (pieces.has(right)) merges.push([left, right])
    }
  return merges
}

const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000
