/** How often each word occurs. */
export type Counts = Readonly<Record<string, number>>

/** Words in lower case: letters, with apostrophes inside. */
export const wordsOf = (text: string): readonly string[] =>
  text.toLowerCase().match(/\p{Letter}+(?:['’]\p{Letter}+)*/gu) ?? []

export function count(words: readonly string[]): Counts {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return Object.fromEntries(counts)
}

export function add(all: readonly Counts[]): Counts {
  const sum = new Map<string, number>()
  for (const counts of all)
    for (const [word, times] of Object.entries(counts)) sum.set(word, (sum.get(word) ?? 0) + times)
  return Object.fromEntries(sum)
}

/** The most frequent first; equally frequent ones by their letters, so that the order is always the same. */
export const ranked = (counts: Counts): readonly (readonly [word: string, times: number])[] =>
  Object.entries(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
