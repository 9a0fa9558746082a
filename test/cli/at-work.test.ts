import { expect, test } from 'vitest'
import { describeTask } from '../../cli/at-work.js'

test.each([
  [
    { said: { fraction: 0.25, text: 'step 60 of 240' }, seconds: 60 },
    'uptrain/child: step 60 of 240 (about 3 min left)',
  ],
  // A later attempt did a quarter in a minute.
  [
    { said: { fraction: 0.75, text: 'step 180 of 240', from: 0.5 }, seconds: 60 },
    'uptrain/child: step 180 of 240 (about 60 s left)',
  ],
  [{ said: { fraction: 0.5, text: 'step 120 of 240', from: 0.5 }, seconds: 60 }, 'uptrain/child: step 120 of 240'],
  // Too early to know.
  [{ said: { fraction: 0.25, text: 'step 60 of 240' }, seconds: 2 }, 'uptrain/child: step 60 of 240'],
  [{ said: { fraction: 0.001, text: 'opening' }, seconds: 100 }, 'uptrain/child: opening'],
  [{ said: { fraction: 1, text: 'storing' }, seconds: 100 }, 'uptrain/child: storing'],
])('a task at work is described by what it said last, and the time left: %j', (task, line) => {
  expect(describeTask({ name: 'uptrain/child', ...task })).toBe(line)
})
