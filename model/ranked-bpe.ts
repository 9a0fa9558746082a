import { BPE } from './tokenizer-engine.js'

/** Tokens, and the pairs of them that are joined. */
export interface RankedVocabulary {
  /** By id. */
  readonly texts: readonly string[]
  readonly ids: ReadonlyMap<string, number>
  /** Returns the rank of a pair of neighbours. The pair with the lowest rank is joined first; pairs without a rank are never
   *  joined. */
  readonly rank: (left: string, right: string) => number | undefined
}

/**
 * Creates the library's byte pair encoding, changed so that it asks for ranks pair by pair. The library itself builds a map of
 * all merges by their texts, which takes seconds for the half a million merges of a large vocabulary.
 * @param settings  `model` of a tokenizer.json, without `vocab` and `merges`
 */
export function rankedBpe(
  settings: { readonly unk_token?: string | null },
  { texts, ids, rank }: RankedVocabulary,
): object {
  const bpe = new BPE({ ...settings, vocab: {}, merges: [] })
  bpe.tokens_to_ids = ids
  bpe.vocab = texts
  bpe.unk_token_id = typeof settings.unk_token === 'string' ? ids.get(settings.unk_token) : undefined
  bpe.add_node = (queue, node) => {
    const pairRank = rank(node.token, node.next.token)
    if (pairRank === undefined) return
    node.score = pairRank + node.bias
    queue.push(node)
  }
  return bpe
}
