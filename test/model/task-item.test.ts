import { expect, test } from 'vitest'
import { taskItem } from '../../model/index.js'

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
