import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Tokenizer } from '../../model/index.js'
import { temporaryFolder } from '../temporary-folder.js'

const usual = {
  version: '1.0',
  added_tokens: [{ id: 4, content: '<s>', special: true }],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, '!': 3 }, merges: [['a', 'b']] },
}
const model = (fields: object) => ({ model: { ...usual.model, ...fields } })

/** What opening a tokenizer and reading a text says, after the file's name. */
function said(fields: object, text = 'ab'): string {
  const folder = temporaryFolder()
  const file = join(folder, 'tokenizer.json')
  writeFileSync(file, JSON.stringify({ ...usual, ...fields }))
  try {
    return Tokenizer.open(folder).encode(text).join(' ')
  } catch (error) {
    expect(error).toMatchObject({ kind: 'InvalidInput', remedy: expect.any(String) as string })
    return (error as Error).message.replace(file, 'FILE')
  }
}

test('the tokenizer that the others change is read', () => {
  expect(said({})).toBe('2')
})

test.each<[object, string]>([
  [{ added_tokens: {} }, 'FILE: "added_tokens" is {}, not a list'],
  [{ added_tokens: [null] }, 'FILE: "added_tokens" has null'],
  [{ added_tokens: [{ id: 1e9, content: 'c' }] }, 'FILE: "added_tokens" has {"id":1000000000,"content":"c"}'],
  [{ added_tokens: [{ id: 5, content: 5 }] }, 'FILE: "added_tokens" has {"id":5,"content":5}'],
  [{ model: 3 }, 'FILE: "model" is 3, not an object'],
  [model({ vocab: [3] }), 'FILE: "vocab" has 3, not a token and its score'],
  [model({ vocab: 'ab' }), 'FILE: "vocab" is "ab", not an object or a list'],
  [model({ vocab: { a: 0, b: 2 ** 40 } }), 'FILE: "vocab" gives "b" the id 1099511627776'],
  [model({ vocab: { a: 0, b: null } }), 'FILE: "vocab" gives "b" the id null'],
  [model({ merges: { a: 'b' } }), 'FILE: "merges" is {"a":"b"}, not a list'],
  [model({ merges: [['a', 1]] }), 'FILE: "merges" has ["a",1], not a pair'],
  [{ normalizer: { type: 'constructor' } }, 'FILE is not supported: Unknown Normalizer type: constructor'],
])('%j is refused', (fields, expected) => {
  expect(said(fields)).toBe(expected)
})

test('what the library meets only in a text is a failure, not a defect', () => {
  expect(said({ post_processor: { type: 'TemplateProcessing', single: 3 } })).toMatch(
    /^the tokenizer cannot read a text: /,
  )
})

test('a pattern that tries to match for ever is stopped', () => {
  const pre_tokenizer = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false }
  expect(said({ pre_tokenizer }, `${'a'.repeat(40)}!`)).toBe('the tokenizer takes too long on a text of 41 characters')
})

test('normalizers without end are refused', () => {
  let normalizer: object = { type: 'NFC' }
  for (let i = 0; i < 1500; i++) normalizer = { type: 'Sequence', normalizers: [normalizer] }
  expect(said({ normalizer })).toMatch(/^FILE is not supported: /)
})

test('words outside the vocabulary are the unknown token, and a text with one is refused where there is none', () => {
  const words = (vocab: object) => ({
    pre_tokenizer: { type: 'WhitespaceSplit' },
    model: { type: 'WordLevel', vocab, unk_token: '<unk>' },
  })
  expect(said(words({ a: 0, '<unk>': 1 }), 'a b a')).toBe('0 1 0')
  expect(said(words({ a: 0 }), 'a b a')).toBe('the text has characters for which the tokenizer has no token')
})

test('a tokenizer that would make a text as long as memory is refused', () => {
  const normalizers = Array.from({ length: 30 }, () => ({ type: 'Replace', pattern: { String: 'a' }, content: 'aa' }))
  expect(said({ normalizer: { type: 'Sequence', normalizers } })).toBe(
    'FILE: its parts may make a text more than 16 times as long',
  )
})

test.each<[object, string]>([
  [model({ unk_token: 1.5 }), 'FILE: "unk_token" is 1.5, not a token'],
  [
    model({ type: 'Unigram', vocab: [['a', 0]], merges: null, unk_id: 256 }),
    'FILE: "unk_id" is 256, not one of 1 tokens',
  ],
])('an unknown token that is none is refused: %j', (fields, expected) => expect(said(fields)).toBe(expected))
