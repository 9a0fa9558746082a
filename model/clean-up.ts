/** What is written without a space, one after the other.
 *  @source transformers, `clean_up_tokenization` of PreTrainedTokenizerBase */
const crowded: readonly (readonly [from: string, to: string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

/** Text without the spaces that tokenizers of words leave before punctuation (`clean_up_tokenization_spaces`). */
export const cleanUp = (text: string): string => crowded.reduce((all, [from, to]) => all.replaceAll(from, to), text)

/** Where text can be cut so that both parts can be cleaned up alone: behind the last character with which nothing in the
 *  list goes on. Only spaces are ever taken out, so none of these comes to stand before the cut. */
export function cleanCut(text: string): number {
  let end = text.length
  while (end > 0 && " 'nvr".includes(text[end - 1]!)) end--
  return end
}
