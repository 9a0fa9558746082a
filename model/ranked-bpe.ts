import * as engines from '@huggingface/tokenizers'

/** Tokens, and the pairs of them that are joined. */
export interface RankedVocabulary {
  /** By id. */
  readonly texts: readonly string[]
  readonly ids: ReadonlyMap<string, number>
  /** Returns the rank of a pair of neighbours. The pair with the lowest rank is joined first; pairs without a rank are never
   *  joined. */
  readonly rank: (left: string, right: string) => number | undefined
}

/** Two neighbours in a text, as the library represents them. */
interface Node {
  readonly token: string
  readonly next: Node
  /** From 0 to below 1, in the order of the text: the leftmost of several pairs with one rank comes first. */
  readonly bias: number
  score: number
}

/** The part of the library's model that is used here (its types do not resolve under Node's module rules). */
interface Bpe {
  tokens_to_ids: ReadonlyMap<string, number>
  vocab: readonly string[]
  unk_token_id: number | undefined
  add_node(queue: { push(node: Node): void }, node: Node): void
}
const { BPE } = engines as unknown as { BPE: new (settings: object) => Bpe }

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
    const own = rank(node.token, node.next.token)
    if (own === undefined) return
    node.score = own + node.bias
    queue.push(node)
  }
  return bpe
}
