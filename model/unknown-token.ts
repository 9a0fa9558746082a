/** Returns the token that a tokenizer.json has for pieces of text outside its vocabulary; undefined if it has none. */
export function unknownToken(json: object): string | undefined {
  const { model = {} } = json as { model?: { unk_token?: unknown; unk_id?: number | null; vocab?: unknown } }
  const { unk_token: token, unk_id: id, vocab } = model
  // Unigram stores its index in the list of [token, score] pairs.
  if (Array.isArray(vocab) && typeof id === 'number') return (vocab[id] as readonly [string, number] | undefined)?.[0]
  return typeof token === 'string' ? token : undefined
}
