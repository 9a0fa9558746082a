import { expect, test } from 'vitest'
import { divided, dividedEach, taskItem } from '../../model/index.js'

/** A token for each word with the blanks before it, and one in front and behind of a text. */
const tokenizer = {
  encode(text: string, { special = true } = {}): number[] {
    const ids = (text.match(/\s*\S+|\s+/g) ?? []).map((word) => 10 * word.length + (/^\s/.test(word) ? 1 : 0))
    return special ? [1, ...ids, 2] : ids
  },
}

test.each([
  ['blanks of the prompt are the answer’s', '2 + 2 = ', '4', [1, 10, 21, 21, 21], [21]],
  ['a space stands between where neither has one', '2 + 2 =', '4', [1, 10, 21, 21, 21], [21]],
  ['the answer’s own blank counts once', '2 + 2 =', ' 4', [1, 10, 21, 21, 21], [21]],
  ['a line’s end is the answer’s, too', 'a:\n', 'b', [1, 20], [21]],
  ['what is in front of texts is in front of an answer alone', '', '4', [1, 2], [10]],
  ['an answer of nothing has no tokens', 'a ', '', [1, 10], []],
])('%s', (_, prompt, answer, ids, behind) => {
  expect(taskItem(tokenizer, prompt, answer)).toEqual({ prompt: ids, answer: behind })
})

/** Tokens of two characters, as far as they go: "abc" is "ab" and "c", so what follows "abc" is in one token with its end. */
const pairs = {
  encode(text: string, { special = true } = {}): number[] {
    const ids = Array.from(
      text.match(/[^]{1,2}/g) ?? [],
      (part) => part.charCodeAt(0) * 1000 + (part.charCodeAt(1) || 0),
    )
    return special ? [1, ...ids] : ids
  },
}
const ids = (...parts: readonly string[]) => parts.flatMap((part) => pairs.encode(part, { special: false }))

test.each([
  ['where a token ends at the boundary', 'ab', 'cd', [1, ...ids('ab')], ids('cd')],
  ['a token across the boundary belongs to what follows', 'abc', 'de', [1, ...ids('ab')], ids('cd', 'e')],
  ['even where nothing is left of the text', 'a', 'b', [1], ids('ab')],
])('the tokens are those of the whole: %s', (_, text, following, prompt, answer) => {
  expect(divided(pairs, text, following)).toEqual({ prompt, answer })
})

test('texts that may follow have the same prompt', () => {
  const space = { encode: (text: string, options?: object) => pairs.encode(text.replace(/ (?=x)/, ''), options) }
  expect(dividedEach(space, 'abc', [' y', ' x'])).toEqual([
    { prompt: [1, ...ids('ab')], answer: ids('c ', 'y') },
    { prompt: [1, ...ids('ab')], answer: ids('cx') },
  ])
})
