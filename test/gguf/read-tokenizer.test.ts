import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ChatTemplate, copyCompanions, Tokenizer } from '../../model/index.js'
import { readGgufTokenizer } from '../../model/gguf/read-tokenizer.js'
import { scratch } from '../model/tiny.js'
import { uniform } from '../noise.js'
import { bool, f32s, i32s, text, texts, u32, writeFile, type Value } from './read-file.js'

const root = join(import.meta.dirname, '../../../shared/fixtures')
type Key = readonly [string, Value]

/** A tokenizer.json, as far as it is needed to say the same in a GGUF file. */
interface Json {
  readonly model: { readonly vocab: Record<string, number>; readonly merges: readonly (readonly [string, string])[] }
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[]
}

const fileOf = (keys: readonly Key[]): string =>
  writeFile(join(scratch(), 'model.gguf'), [
    ['general.architecture', text('llama')],
    ['llama.context_length', u32(64)],
    ...keys,
  ])

/** Keys that both kinds have: `<unk>`, `<s>` and `</s>` are tokens 0 to 2. */
const common = (tokens: readonly string[], types: readonly number[]): Key[] => [
  ['tokenizer.ggml.tokens', texts(tokens)],
  ['tokenizer.ggml.token_type', i32s(types)],
  ['tokenizer.ggml.unknown_token_id', u32(0)],
  ['tokenizer.ggml.bos_token_id', u32(1)],
  ['tokenizer.ggml.eos_token_id', u32(2)],
  ['tokenizer.ggml.add_bos_token', bool(true)],
]

const tokensOf = ({ model }: Json): string[] =>
  Object.entries(model.vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token)

const asGguf: Readonly<Record<string, (json: Json) => Key[]>> = {
  'tokenizer-byte-bpe': (json) => [
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('gpt-2')],
    ['tokenizer.ggml.merges', texts(json.model.merges.map((pair) => pair.join(' ')))],
    ...common(
      tokensOf(json),
      tokensOf(json).map((_, id) => (id < 3 ? 3 : 1)),
    ),
  ],
  'tokenizer-sentencepiece-bpe': (json) => {
    const tokens = tokensOf(json)
    const rank = new Map(json.model.merges.map((pair, i) => [pair.join(''), i]))
    return [
      ['tokenizer.ggml.model', text('llama')],
      ['tokenizer.ggml.scores', f32s(tokens.map((token) => -(rank.get(token) ?? 10000)))],
      ...common(
        tokens,
        tokens.map((token, id) => (id === 0 ? 2 : id < 3 ? 3 : /^<0x..>$/.test(token) ? 6 : 1)),
      ),
    ]
  },
}

test.skipIf(existsSync(root))('SKIPPED: the reference tokenizers are not beside this checkout', () => {})

describe.skipIf(!existsSync(root)).each(Object.keys(asGguf))('%s as a GGUF file', (name) => {
  const folder = join(root, name)
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as unknown
  const cases = existsSync(folder)
    ? (read('cases.json') as { text: string; ids: number[]; ids_with_special: number[]; decoded: string }[])
    : []

  test('encodes and decodes all texts as the reference does', () => {
    const tokenizer = Tokenizer.open(fileOf(asGguf[name]!(read('tokenizer.json') as Json)))
    expect(cases.length).toBeGreaterThan(5)
    for (const { text, ids, ids_with_special, decoded } of cases) {
      expect(tokenizer.encode(text, { special: false }), text).toEqual(ids)
      expect(tokenizer.encode(text), text).toEqual(ids_with_special)
      expect(tokenizer.decode(ids, { special: true }), text).toBe(decoded)
    }
  })

  test('is written as files that do the same', async () => {
    const file = fileOf(asGguf[name]!(read('tokenizer.json') as Json))
    const to = scratch()
    await copyCompanions(file, to)
    const [own, copied] = [Tokenizer.open(file), Tokenizer.open(to)]
    for (const { text } of cases) expect(copied.encode(text)).toEqual(own.encode(text))
  })
})

/** SentencePiece with pieces and their scores; all bytes are there. */
function pieces(scored: Readonly<Record<string, number>>, own: readonly Key[] = []): string {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...Object.keys(scored)]
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1))
  return fileOf([
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.scores', f32s([...tokens.slice(0, 259).map(() => 0), ...Object.values(scored)])],
    ...new Map([...common(tokens, types), ...own]),
  ])
}
const first = 259

test('of neighbours that make pieces, those with the highest score are joined first', () => {
  // ab, then abc: not bc, although it comes first in the text's second half.
  const scored = { a: -9, b: -9, c: -9, bc: -3, ab: -1, abc: -2, '▁': -9 }
  const file = pieces(scored, [['tokenizer.ggml.add_space_prefix', bool(false)]])
  const tokenizer = Tokenizer.open(file)
  const id = (piece: string) => first + Object.keys(scored).indexOf(piece)
  expect(tokenizer.encode('abc', { special: false })).toEqual([id('abc')])
  expect(tokenizer.encode('bcab c', { special: false })).toEqual([id('bc'), id('ab'), id('▁'), id('c')])
})

test('texts become the same tokens as by the merges that tokenizer.json lists, pieces of one score among them', async () => {
  const random = uniform(1)
  const upTo = (n: number) => Math.floor(random() * n)
  const letters = [...'abc▁é𝕬']
  const word = (length: number) => Array.from({ length }, () => letters[upTo(letters.length)]!).join('')
  const scored = Object.fromEntries([
    ...letters.map((letter) => [letter, -50] as const),
    ...Array.from({ length: 300 }, () => [word(2 + upTo(4)), -upTo(20)] as const),
  ])
  const file = pieces(scored)
  const to = scratch()
  await copyCompanions(file, to)
  const [own, listed] = [Tokenizer.open(file), Tokenizer.open(to)]
  for (let i = 0; i < 200; i++) {
    const text = word(40).replaceAll('▁', ' ')
    expect(own.encode(text), text).toEqual(listed.encode(text))
  }
})

test('characters without a piece are bytes, those of two code units too', () => {
  const tokenizer = Tokenizer.open(
    pieces({ a: -1, '𝕬': -1, '𝕬a': -2 }, [['tokenizer.ggml.add_space_prefix', bool(false)]]),
  )
  expect(tokenizer.encode('é', { special: false })).toEqual([3 + 0xc3, 3 + 0xa9])
  expect(tokenizer.encode('𝕬a', { special: false })).toEqual([first + 2])
  expect(tokenizer.decode([3 + 0xc3, 3 + 0xa9])).toBe('é')
})

test('a space comes before the text unless the file says otherwise', () => {
  const scored = { a: -1, '▁': -1, '▁a': -2 }
  expect(Tokenizer.open(pieces(scored)).encode('a', { special: false })).toEqual([first + 2])
  expect(Tokenizer.open(pieces(scored)).decode([first + 2])).toBe('a')
  const without = Tokenizer.open(pieces(scored, [['tokenizer.ggml.add_space_prefix', bool(false)]]))
  expect(without.encode('a', { special: false })).toEqual([first])
  expect(without.decode([first + 2])).toBe(' a')
})

test('tokens that begin and end texts come where the file says so, and the chat template is kept', () => {
  const own: Key[] = [
    ['tokenizer.ggml.add_eos_token', bool(true)],
    ['tokenizer.chat_template', text('{{ messages }}')],
  ]
  const file = pieces({ '▁': -1, a: -1 }, own)
  expect(Tokenizer.open(file).encode('a')).toEqual([1, first, first + 1, 2])
  expect(readGgufTokenizer(file)!.config).toMatchObject({
    chat_template: '{{ messages }}',
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
  })
})

/** Byte-level BPE of single bytes, with a control token and one of the user's. */
function bytePairs(pre: string | undefined, merges: readonly string[], own: readonly Key[] = []): string {
  const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
  const joined = merges.map((merge) => merge.replace(' ', ''))
  const tokens = ['<|end|>', '<think>', 'Ġ', 'Ċ', ...printable, ...joined]
  return fileOf([
    ['tokenizer.ggml.model', text('gpt2')],
    ...(pre === undefined ? [] : [['tokenizer.ggml.pre', text(pre)] as const]),
    ['tokenizer.ggml.tokens', texts(tokens)],
    ['tokenizer.ggml.token_type', i32s(tokens.map((_, id) => (id === 0 ? 3 : id === 1 ? 4 : 1)))],
    ['tokenizer.ggml.merges', texts(merges)],
    ['tokenizer.ggml.bos_token_id', u32(0)],
    ...own,
  ])
}
const digits = ['1 2', '12 3', '123 4']
/** What a text is cut into, without the tokens that begin it. */
const cut = (file: string, own: string): string[] => {
  const tokenizer = Tokenizer.open(file)
  return tokenizer.encode(own, { special: false }).map((id) => tokenizer.decode([id], { special: true }))
}

test.each([
  ['llama-bpe', ['123', '4']],
  ['qwen2', ['1', '2', '3', '4']],
  ['smollm', ['1', '2', '3', '4']],
  ['gpt-2', ['1234']],
  ['default', ['123', '4']],
])('%s splits numbers as its regular expression says', (pre, expected) => {
  expect(cut(bytePairs(pre, digits), '1234')).toEqual(expected)
})

test('control tokens and those of the user are one token each, and only the former are special', () => {
  const file = bytePairs('qwen2', digits)
  const tokenizer = Tokenizer.open(file)
  expect(tokenizer.encode('<think>1<|end|>')).toEqual([1, 4 + 16, 0])
  expect(tokenizer.decode([1, 4 + 16, 0])).toBe('<think>1')
})

test('Llama 3’s tokenizer begins texts with its token where nothing else is said, Qwen’s does not', () => {
  expect(Tokenizer.open(bytePairs('llama-bpe', digits)).encode('1')).toEqual([0, 4 + 16])
  expect(Tokenizer.open(bytePairs('qwen2', digits)).encode('1')).toEqual([4 + 16])
})

test('tokenizers that are not read are refused by name, and one without merges is none', () => {
  expect(() => Tokenizer.open(bytePairs('tekken', digits))).toThrow(/"tekken" \(tokenizer.ggml.pre\), is not supported/)
  expect(() => Tokenizer.open(fileOf([['tokenizer.ggml.model', text('bert')]]))).toThrow(/the kind "bert"/)
  expect(() => Tokenizer.open(bytePairs('default', []))).toThrow(/has no tokenizer for text/)
  expect(() => Tokenizer.open(fileOf([]))).toThrow(/has no tokenizer for text/)
})

test('tokens that are there twice, and lists of other lengths, are refused', () => {
  expect(() => Tokenizer.open(pieces({ a: -1 }, [['tokenizer.ggml.tokens', texts(['a'])]]))).toThrow(/for 1 tokens/)
  expect(() => Tokenizer.open(bytePairs('qwen2', ['1 2', '1 2']))).toThrow(/tokenizer.ggml.tokens has "12" twice/)
  expect(() => Tokenizer.open(bytePairs('qwen2', digits, [['tokenizer.ggml.eos_token_id', u32(9999)]]))).toThrow(
    /eos_token_id is 9999/,
  )
})

test('a tokenizer with more tokens than the model is refused', () => {
  expect(() => Tokenizer.open(bytePairs('qwen2', digits), 50)).toThrow(/token ids up to 100, but the model has 50/)
})

test('a conversation is written as the chat template of the file says', () => {
  const template = '{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}'
  const file = pieces({ '▁': -1, a: -1 }, [['tokenizer.chat_template', text(template)]])
  expect(ChatTemplate.open(file).render([{ role: 'user', content: 'a' }])).toBe('<s>[user] a')
  expect(() => ChatTemplate.open(pieces({ '▁': -1 }))).toThrow(/model.gguf: has no chat template/)
  expect(() => ChatTemplate.open(fileOf([]))).toThrow(/model.gguf: has no chat template/)
})
