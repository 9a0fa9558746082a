/** What is written without a space, in the order of replacement.
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

/** Removes the spaces that word tokenizers leave before punctuation (`clean_up_tokenization_spaces`). */
export const cleanUp = (text: string): string => crowded.reduce((all, [from, to]) => all.replaceAll(from, to), text)

/** Finds the last place where text can be cut so that both parts can be cleaned up separately: after the last character
 *  that cannot be part of any entry in the list. Only spaces are ever removed, so cleaning up cannot create such a
 *  character sequence across the cut. */
export function cleanCut(text: string): number {
  let end = text.length
  while (end > 0 && " 'nvr".includes(text[end - 1]!)) end--
  return end
}
