import * as engines from '@huggingface/tokenizers'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Tokenizer } from '../../model/index.js'

interface Engine {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: ArrayLike<number> }
}
const { Tokenizer: Library } = engines as unknown as { Tokenizer: new (json: object, config: object) => Engine }

const fixtures = join(import.meta.dirname, '../../../shared/fixtures')
const kinds = ['tokenizer-unigram', 'tokenizer-sentencepiece-bpe', 'tokenizer-byte-bpe']
const read = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as object

/** Pieces of texts: words, what is unknown, halves of characters, no blank at all. */
const pieces = [
  'fox',
  ' owl',
  'seal ',
  '  ',
  'aaaa',
  'ab',
  '😀',
  'é',
  '你好',
  '\n',
  '.',
  '12',
  '▁',
  'x y',
  'the',
  'ing',
  '\ud800',
]

/** A text by a number: the same one always. */
function textOf(seed: number, length: number): string {
  let [state, text] = [seed * 2654435761 + 1, '']
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    text += pieces[(state >>> 8) % pieces.length]!
  }
  return text
}

test.each(kinds)('%s: long texts have the tokens that the library gives them', (kind) => {
  const folder = join(fixtures, kind)
  const tokenizer = Tokenizer.open(folder)
  const library = new Library(read(folder, 'tokenizer.json'), read(folder, 'tokenizer_config.json'))
  const texts = Array.from({ length: 30 }, (_, i) => textOf(i, i < 20 ? 40 * i : 3000))
  for (const text of [
    ...texts,
    'a'.repeat(5000),
    'ab'.repeat(700),
    ' '.repeat(900),
    '😀'.repeat(600),
    'seal'.repeat(400),
  ])
    expect(tokenizer.encode(text)).toEqual(Array.from(library.encode(text, { add_special_tokens: true }).ids, Number))
})

test.each(kinds)('%s: a text of 300,000 characters without a place to split has tokens', (kind) => {
  const tokenizer = Tokenizer.open(join(fixtures, kind))
  for (const text of ['a', ' ', 'ab']) {
    const ids = tokenizer.encode(text.repeat(300_000 / text.length))
    expect(ids.length).toBeGreaterThan(1000)
    expect(ids.every(Number.isInteger)).toBe(true)
  }
})
