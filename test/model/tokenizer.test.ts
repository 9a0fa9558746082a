import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Tokenizer } from '../../model/index.js'
import { scratch } from './tiny.js'

const root = join(import.meta.dirname, '../../../shared/fixtures')
const names = existsSync(root) ? readdirSync(root).filter((name) => name.startsWith('tokenizer-')) : []

/** What the reference does with a text. */
interface Case {
  readonly text: string
  readonly ids: readonly number[]
  readonly ids_with_special: readonly number[]
  readonly decoded: string
  readonly decoded_skip_special: string
}

test.skipIf(names.length > 0)('SKIPPED: the reference tokenizers are not beside this checkout', () => {})

describe.each(names)('%s', (name) => {
  const folder = join(root, name)
  const tokenizer = Tokenizer.open(folder)
  const cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Case[]
  test.each(cases)('encodes and decodes $text as the reference does', (c) => {
    expect(tokenizer.encode(c.text, { special: false })).toEqual(c.ids)
    expect(tokenizer.encode(c.text)).toEqual(c.ids_with_special)
    expect(tokenizer.decode(c.ids, { special: true })).toBe(c.decoded)
    expect(tokenizer.decode(c.ids)).toBe(c.decoded_skip_special)
  })
})

/** A tokenizer of whole words. */
async function words(vocab: Record<string, number>): Promise<string> {
  const folder = scratch()
  const json = {
    version: '1.0',
    added_tokens: [{ id: 0, content: '<end>', special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordPiece', unk_token: '<end>', vocab: { '<end>': 0, ...vocab } },
  }
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json))
  return folder
}

test('no tokens are no text, and no text is no tokens', async () => {
  const tokenizer = Tokenizer.open(await words({ fox: 1 }))
  expect(tokenizer.decode([])).toBe('')
  expect(tokenizer.encode('')).toEqual([])
})

test.each([
  ['each alone', true, ['a', '½', 'Ⅷ', '४', '2', '2', 'b']],
  ['as runs', false, ['a', '½Ⅷ४22', 'b']],
])('digits that are split from letters, %s, are all numbers of Unicode', async (_, individual, pieces) => {
  const folder = await words(Object.fromEntries([...new Set(pieces)].map((piece, i) => [piece, i + 1])))
  const path = join(folder, 'tokenizer.json')
  const json = JSON.parse(readFileSync(path, 'utf8')) as object
  const digits = { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: individual }] }
  await writeFile(path, JSON.stringify({ ...json, pre_tokenizer: digits }))
  const ids = Tokenizer.open(folder).encode('a½Ⅷ४22b')
  expect(ids).toEqual(pieces.map((piece) => [...new Set(pieces)].indexOf(piece) + 1))
})

test('special tokens are text only when they are asked for', async () => {
  const tokenizer = Tokenizer.open(await words({ fox: 1, owl: 2 }))
  expect(tokenizer.decode([1, 0])).toBe('fox')
  expect(tokenizer.decode([1, 0], { special: true })).toBe('fox <end>')
})

test('ids that have no token are no text', async () => {
  const tokenizer = Tokenizer.open(await words({ fox: 1, owl: 2 }))
  expect(tokenizer.decode([1, 9, 2])).toBe('fox owl')
  expect([0, 1, 9].map((id) => tokenizer.isSilent(id))).toEqual([true, false, true])
})

test('spaces before punctuation are taken out where tokenizer_config.json says so', async () => {
  const folder = await words({ fox: 1, '.': 2, "'s": 3, "'": 4 })
  const decoded = () => Tokenizer.open(folder).decode([1, 3, 4, 1, 4, 1, 2])
  expect(decoded()).toBe("fox 's ' fox ' fox .")
  await writeFile(join(folder, 'tokenizer_config.json'), '{"clean_up_tokenization_spaces": true}')
  expect(decoded()).toBe("fox's'fox'fox.")
})

test('a tokenizer with more tokens than the model is refused', async () => {
  const folder = await words({ fox: 1, owl: 7 })
  expect(Tokenizer.open(folder, 8).size).toBe(8)
  expect(() => Tokenizer.open(folder, 7)).toThrow(
    `${join(folder, 'tokenizer.json')} has token ids up to 7, but the model has 7 tokens`,
  )
})

test.each([
  ['is missing', undefined],
  ['is not JSON', '{'],
])('a tokenizer.json that %s is refused, with a remedy', async (_, text) => {
  const folder = scratch()
  if (text !== undefined) await writeFile(join(folder, 'tokenizer.json'), text)
  expect(() => Tokenizer.open(folder)).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      file: join(folder, 'tokenizer.json'),
      remedy: `Put the model's own tokenizer.json into ${folder}.`,
    }) as Error,
  )
})

test('a tokenizer.json of another kind is refused by what is missing, with a remedy', async () => {
  const folder = scratch()
  await writeFile(join(folder, 'tokenizer.json'), '{"model": {"type": "BPE", "vocab": {}}}')
  expect(() => Tokenizer.open(folder)).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      message: expect.stringContaining(`${join(folder, 'tokenizer.json')} is not supported: `) as string,
      remedy: 'Use a tokenizer.json written by the library `tokenizers`.',
    }) as Error,
  )
})
