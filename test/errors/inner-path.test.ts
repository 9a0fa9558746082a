import { expect, test } from 'vitest'
import { isFileName, isInnerPath, liesIn } from '../../errors/inner-path.js'

test.each(['a', 'a.b', '.a', '...', 'a/b', 'a b', 'é', '__proto__'])('%j leads to something in a folder', (name) => {
  expect(isInnerPath(name)).toBe(true)
})

test.each([
  '',
  '.',
  '..',
  '/a',
  'a/',
  'a//b',
  'a/../b',
  './a',
  'a/..',
  'a\\b',
  'a\0',
  null,
  3,
  ['a'],
  { toString: () => 'a' },
])('%j does not', (name) => expect(isInnerPath(name)).toBe(false))

test('a name of a file has no parts', () => {
  expect(['a', '.a'].every(isFileName)).toBe(true)
  expect(['a/b', '..', '.', '', 3].some(isFileName)).toBe(false)
})

test('a folder lies in itself, in those above and not in those that are called alike', () => {
  expect([liesIn('/a', '/a'), liesIn('/a/b', '/a'), liesIn('/a', '/'), liesIn('/ab', '/a')]).toEqual([
    ...[true, true, true, false],
  ])
})
