import { expect, test } from 'vitest'
import { Failure } from '../../errors/failure.js'
import { entryOf, shown } from '../../errors/foreign.js'

test('a table has its entries and nothing that every object has', () => {
  const table: Readonly<Record<string, number>> = { a: 1 }
  expect([entryOf(table, 'a'), entryOf(table, 'b')]).toEqual([1, undefined])
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'])
    expect(entryOf(table, name)).toBeUndefined()
  for (const key of [undefined, null, 0, ['a']]) expect(entryOf(table, key)).toBeUndefined()
})

test.each<[unknown, string]>([
  ['a text', '"a text"'],
  ['with "quotes" and\nlines', '"with \\"quotes\\" and\\nlines"'],
  [1.5, '1.5'],
  [NaN, 'NaN'],
  [10n, '10'],
  [null, 'null'],
  [undefined, 'undefined'],
  [() => 1, 'a function'],
  [[1, 'a', null], '[1,"a",null]'],
  [{ a: 1, b: [true] }, '{"a":1,"b":[true]}'],
  [[[[[1]]]], '[[[[…]]]]'],
  [Object.create(null), '{}'],
])('a value is shown as JSON: %#', (value, expected) => {
  expect(shown(value)).toBe(expected)
})

const deep = JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as unknown
const cyclic: unknown[] = []
cyclic.push(cyclic)
const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`key ${i}`, i]))
const odd = { toJSON: () => 'x'.repeat(1e6), toString: () => 'y'.repeat(1e6) }

test.each<[string, unknown]>([
  ['a long text', 'x'.repeat(1e7)],
  ['characters of two units', '😀'.repeat(100)],
  ['a long list', Array.from({ length: 1e6 }, () => 1)],
  ['lists a thousand deep', deep],
  ['a list in itself', cyclic],
  ['many keys', wide],
  ['a long key', { ['k'.repeat(1e6)]: 1 }],
  ['a large number', 10n ** 5000n],
  ['something that writes itself', odd],
])('%s is shown in a line', (_, value) => {
  const text = shown(value)
  expect(text.length).toBeLessThanOrEqual(60)
  expect(text).not.toMatch(/\p{Surrogate}/u)
})

test('a failure can be read whatever names are in it', () => {
  const long = 'x'.repeat(1e6)
  const { message, remedy } = new Failure('InvalidInput', `a.json: has ${long}\n${long}`, { remedy: `Remove ${long}.` })
  expect(message.split('\n').map((line) => line.length)).toEqual([2000, 2000])
  expect(message.startsWith('a.json: has xxx')).toBe(true)
  expect(remedy!.length).toBe(2000)
  const many = Array.from({ length: 1e5 }, (_, i) => `search.yaml:${i}:1 unknown-key`).join('\n')
  expect(new Failure('InvalidInput', many).message.length).toBeLessThanOrEqual(100_000)
})
