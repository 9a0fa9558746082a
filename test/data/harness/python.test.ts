import { expect, test } from 'vitest'
import { pythonLiteral, type Literal } from '../../../data/harness/python-literal.js'
import { findAll, without } from '../../../data/harness/python-regex.js'

test.each<readonly [text: string, value: Literal]>([
  [`['a "b"', "it's", 'c\\'d']`, ['a "b"', "it's", "c'd"]],
  [`['\\n\\t\\\\', '\\x41\\u00e9\\U0001F600', 'a\\qb']`, ['\n\t\\', 'Aé😀', 'a\\qb']],
  [`[1, -2.5, 1e3, True, False, None]`, [1, -2.5, 1000, true, false, null]],
  [`[]`, []],
  [`(1, 2,)`, [1, 2]],
  [`('a')`, 'a'],
  [`['a' "b", ['c'],]`, ['ab', ['c']]],
  [`"""a\nb"""`, 'a\nb'],
  [` [ 'a' ] `, ['a']],
])('%j is read as Python reads it', (text, value) => {
  expect(pythonLiteral(text)).toEqual(value)
})

test.each([
  `['a'`,
  `['a' 1]`,
  `[a]`,
  `['a\n']`,
  `['\\x4']`,
  `{'a': 1}`,
  `__import__('os')`,
  `['a'] + ['b']`,
  '['.repeat(50),
])('%j is not a literal', (text) => {
  expect(() => pythonLiteral(text)).toThrow(/^is not a Python literal at character \d+: /)
})

// What Python's re.findall gives, a match without groups as one.
test.each<readonly [pattern: string, text: string, found: readonly (readonly string[])[]]>([
  [String.raw`#### (\-?[0-9\.\,]+)`, 'so #### -1,200. done', [['-1,200.']]],
  [String.raw`\d+`, 'a1b22', [['1'], ['22']]],
  [
    String.raw`(a)|(b)`,
    'ab',
    [
      ['a', ''],
      ['', 'b'],
    ],
  ],
  [String.raw`(?i)yes`, 'YES yes', [['YES'], ['yes']]],
  [String.raw`(?P<x>a)(?P=x)`, 'aab', [['a']]],
  [String.raw`\Aab|b\Z`, 'abb', [['ab'], ['b']]],
  [String.raw`b$`, 'ab\n', [['b']]],
  [String.raw`[]x]+`, 'a]x]', [[']x]']]],
  [String.raw`a{,2}b`, 'aab', [['aab']]],
])('findall of %j in %j', (pattern, text, found) => {
  expect(findAll(pattern, text)).toEqual(found)
})

test('what matches is taken out', () => {
  expect(without(',|\\$', '$1,200')).toBe('1200')
})

test('a pattern that tries for ever is an error', () => {
  expect(() => findAll('(a|a)*(a|a)*(a|a)*b', 'a'.repeat(60))).toThrow(/takes more than a second$/)
})
