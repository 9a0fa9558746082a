import { expect, test } from 'vitest'
import { grid } from '../../api/index.js'

test('a grid has all combinations, the last list varies fastest, and duplicates count once', () => {
  expect([...grid({ a: [1, 2, 1], b: ['x', 'y'] })]).toEqual([
    { a: 1, b: 'x' },
    { a: 1, b: 'y' },
    { a: 2, b: 'x' },
    { a: 2, b: 'y' },
  ])
})

test('a grid of billions yields its first combinations immediately', () => {
  const many = Array.from({ length: 1000 }, (_, i) => i)
  const all = grid({ a: many, b: many, c: many, d: many })
  expect([all.next().value, all.next().value]).toEqual([
    { a: 0, b: 0, c: 0, d: 0 },
    { a: 0, b: 0, c: 0, d: 1 },
  ])
})
