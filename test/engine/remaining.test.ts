import { expect, test } from 'vitest'
import { describeLeft, Remaining } from '../../workflows/remaining.js'

test('what is left takes as long for each task as those that were done', () => {
  const remaining = new Remaining(10_000)
  // Four seconds for one, then six for two.
  expect(remaining.done(14_000, 9)).toBe(36)
  expect(remaining.done(16_000, 8)).toBe(24)
  expect(remaining.done(16_000, 0)).toBe(0)
})

test.each([
  [0.2, 'about 1 s left'],
  [89, 'about 89 s left'],
  [90, 'about 2 min left'],
  [5399, 'about 90 min left'],
  [5400, 'about 2 h left'],
  [36 * 3600, 'about 2 d left'],
])('%d seconds are, for people, %s', (seconds, text) => {
  expect(describeLeft(seconds)).toBe(text)
})
