import { expect, test } from 'vitest'
import { splitTask, type ReadItem } from '../../data/task-splits.js'

const item = (name: string, shown = false): ReadItem => ({
  item: { prompt: [1], answer: [name.length] },
  content: name,
  shown,
})
const items = (count: number, prefix = 'item') => Array.from({ length: count }, (_, i) => item(`${prefix} ${i}`))
const task = (own: readonly ReadItem[], test?: readonly ReadItem[]) => ({
  name: 'one',
  form: { chance: 0 },
  items: own,
  ...(test && { test }),
})
const sizes = (own: ReturnType<typeof splitTask>) => [own.split, own.validation.items.length, own.test.items.length]

test.each<readonly [what: string, own: readonly ReadItem[], share: number, most: number, sizes: readonly unknown[]]>([
  ['half of many items are for the test', items(400), 0.5, 1000, ['content', 205, 195]],
  ['as large a share as is asked for', items(400), 0.1, 1000, ['content', 356, 44]],
  ['at most so many of each', items(400), 0.5, 100, ['content', 100, 100]],
  ['few items serve for both', items(19), 0.5, 1000, ['same', 19, 19]],
  ['where none is for the test, all serve for both', items(400), 0, 1000, ['same', 400, 400]],
])('%s', (_, own, share, most, expected) => {
  expect(sizes(splitTask(task(own), share, most))).toEqual(expected)
})

test('a document is on the same side wherever it stands, and so are its copies', () => {
  const own = items(100)
  const one = splitTask(task(own), 0.5, 1000)
  const other = splitTask(task([...own, ...own].reverse()), 0.5, 1000)
  const texts = (side: { readonly items: readonly unknown[] }) => side.items.length
  expect([texts(other.validation), texts(other.test)]).toEqual([2 * texts(one.validation), 2 * texts(one.test)])
})

test('two sets stay as they are, but for what the search shows as examples', () => {
  expect(sizes(splitTask(task(items(30), [...items(10, 'test'), item('shot', true)]), 0.5, 1000))).toEqual([
    'given',
    30,
    10,
  ])
})

test('examples of a single set are no items of its test', () => {
  const shown = items(100).map((own) => ({ ...own, shown: true }))
  expect(sizes(splitTask(task([...shown, ...items(100, 'other')]), 0.5, 1000))).toEqual(['content', 149, 51])
})
