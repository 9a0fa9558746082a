import { expect, test } from 'vitest'
import { beginOfText, Packer, type Packing } from '../../data/packing.js'

const begin = [1]
/** The sequences that documents become. */
function packed(packing: Packing, documents: readonly (readonly number[])[], start: readonly number[] = begin) {
  const packer = new Packer(packing, 4, 9, start)
  return [...documents.flatMap((ids) => [...packer.add(ids)]), ...packer.rest()]
}

test('a sequence that goes on with a document begins as the document does', () => {
  expect(packed('documents', [[1, 10, 11, 12, 13, 14, 15, 16, 17]])).toEqual([
    [1, 10, 11, 12],
    [1, 13, 14, 15],
    [1, 16, 17],
  ])
})

test('a document without the tokens at its beginning gets none, nor does any where they are to stand at beginnings only', () => {
  const ids = [10, 11, 12, 13, 14]
  expect(packed('documents', [ids])).toEqual([[10, 11, 12, 13]])
  expect(packed('documents', [[1, 10, 11, 12, 13, 14]], [])).toEqual([
    [1, 10, 11, 12],
    [13, 14],
  ])
})

test('a document that fills its sequences exactly leaves nothing behind', () => {
  expect(packed('documents', [[1, 10, 11, 12, 13, 14, 15]])).toEqual([
    [1, 10, 11, 12],
    [1, 13, 14, 15],
  ])
})

test('documents that are packed one after another begin each sequence so, and a beginning is not doubled', () => {
  expect(
    packed('continuous', [
      [1, 10],
      [1, 11, 12, 13, 14],
      [1, 15, 16],
    ]),
  ).toEqual([
    [1, 10, 9, 1],
    [1, 11, 12, 13],
    [1, 14, 9, 1],
    [1, 15, 16, 9],
  ])
})

test('no token of a document is doubled, and none but a last one alone is lost', () => {
  const ids = [1, ...Array.from({ length: 101 }, (_, i) => 10 + i)]
  for (const packing of ['documents', 'continuous'] as const) {
    const tokens = packed(packing, [ids, ids]).flat()
    expect(tokens.filter((id) => id >= 10)).toEqual([...ids.slice(1), ...ids.slice(1)])
  }
})

test('a beginning as long as a sequence is left out', () => {
  expect(packed('documents', [[1, 2, 3, 4, 5, 6]], [1, 2, 3, 4])).toEqual([
    [1, 2, 3, 4],
    [5, 6],
  ])
})

test('the tokenizer says what begins a text, unless the spec wants it at documents only', () => {
  expect(beginOfText({}, { begin })).toEqual(begin)
  expect(beginOfText({ beginOfText: 'documents' }, { begin })).toEqual([])
})
