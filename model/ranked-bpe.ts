import { BPE } from './tokenizer-engine.js'

/** Tokens, and which of them are joined. */
export interface RankedVocabulary {
  /** By id. */
  readonly texts: readonly string[]
  readonly ids: ReadonlyMap<string, number>
  /** Of all neighbours in a text those of the lowest rank are joined first; undefined: never. */
  readonly rank: (left: string, right: string) => number | undefined
}

/**
 * The library's byte pair encoding, which asks for ranks pair by pair. The library itself lists all merges by their texts,
 * which takes seconds for the half a million of a large vocabulary.
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
