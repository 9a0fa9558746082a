import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Tokenizer } from '../../model/index.js'
import { scratch } from '../model/tiny.js'
import { bool, f32s, i32s, text, texts, u32, writeFile, type Value } from './read-file.js'

/** A file with a tokenizer of pieces: `<unk>`, `</s>`, those of the user or without use, then pieces with their scores. */
function unigram(
  scored: Record<string, number>,
  own: Record<string, Value> = {},
  types: readonly number[] = [],
): string {
  const tokens = ['<unk>', '</s>', ...types.map((_, i) => `[${i}]`), ...Object.keys(scored)]
  const keys: Record<string, Value> = {
    model: text('t5'),
    tokens: texts(tokens),
    token_type: i32s([2, 3, ...types, ...Object.keys(scored).map(() => 1)]),
    scores: f32s([0, 0, ...types.map(() => -1e6), ...Object.values(scored)]),
    unknown_token_id: u32(0),
    eos_token_id: u32(1),
    add_eos_token: bool(false),
    remove_extra_whitespaces: bool(true),
    ...own,
  }
  return writeFile(join(scratch(), 'model.gguf'), [
    ['general.architecture', text('llama')],
    ['llama.context_length', u32(64)],
    ...Object.entries(keys).map(([name, value]) => [`tokenizer.ggml.${name}`, value] as const),
  ])
}

test('of all ways to write a text with pieces that with the largest sum of scores is taken', () => {
  const tokenizer = Tokenizer.open(unigram({ '▁a': -1, b: -1, '▁ab': -2.5, c: -4, bc: -4, '▁': -3 }))
  expect(tokenizer.encode('ab')).toEqual([2, 3])
  expect(tokenizer.encode('  abc  c ')).toEqual([2, 6, 7, 5])
  expect(tokenizer.decode([2, 6, 7, 5])).toBe('abc c')
})

test('what no piece has is unknown, and tokens without use count for nothing', () => {
  const tokenizer = Tokenizer.open(unigram({ '▁a': -1, b: -3 }, {}, [5]))
  expect(tokenizer.encode('axyb')).toEqual([3, 0, 4])
  // b and the unknown letter at -13 together, not the piece of a token without use.
  expect(tokenizer.encode('ab[0')).toEqual([3, 4, 0])
})

test('spaces stay as they are where the file says so, and </s> ends a text where it is to', () => {
  const own = { remove_extra_whitespaces: bool(false), add_eos_token: bool(true) }
  const tokenizer = Tokenizer.open(unigram({ a: -1, '▁': -1, '▁a': -1 }, own))
  expect(tokenizer.encode('a  a ')).toEqual([2, 3, 4, 3, 1])
  expect(tokenizer.decode([2, 3, 4, 3])).toBe('a  a ')
})

test.each<readonly [string, () => string]>([
  [
    'normalises letters (tokenizer.ggml.precompiled_charsmap)',
    () => unigram({ a: -1 }, { precompiled_charsmap: text('x') }),
  ],
  ['has the user-defined token "[0]"', () => unigram({ a: -1 }, {}, [4])],
  [
    'adds a space before texts and keeps repeated spaces',
    () => unigram({ a: -1 }, { remove_extra_whitespaces: bool(false), add_space_prefix: bool(true) }),
  ],
  ['tokenizer.ggml.scores has 1 entries for 3 tokens', () => unigram({ a: -1 }, { scores: f32s([0]) })],
  ['unknown_token_id is 7, of 3 tokens', () => unigram({ a: -1 }, { unknown_token_id: u32(7) })],
])('what is not read of such a tokenizer is refused: %s', (said, file) => {
  expect(() => Tokenizer.open(file())).toThrow(said)
})
