import type { JsonObject } from '../../../api/index.js'
import { Tokenizer } from '../../../model/tokenizer.js'
import { jsonText } from '../mutate-json.js'
import { holds, type Files, type Reader } from '../reader.js'
import type { Choices } from '../choices.js'
import { json } from './models.js'

const added = (id: number, content: string): JsonObject => ({
  ...{ id, content, special: true, normalized: false, single_word: false, lstrip: false, rstrip: false },
})
const sequence = (name: string, parts: readonly object[]): object => ({ type: 'Sequence', [name]: parts })
const split = (pattern: object, behavior = 'Isolated'): object => ({ type: 'Split', pattern, behavior, invert: false })

/** A tokenizer.json for each kind of model, with the parts that such files have. */
const tokenizers: readonly object[] = [
  {
    version: '1.0',
    added_tokens: [added(7, '<s>')],
    normalizer: sequence('normalizers', [
      { type: 'NFC' },
      { type: 'Lowercase' },
      { type: 'Replace', pattern: { String: 'é' }, content: 'e' },
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
    ]),
    pre_tokenizer: sequence('pretokenizers', [
      split({ Regex: '[^\\s]+|\\s+' }),
      { type: 'Digits', individual_digits: true },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ]),
    post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab: { a: 0, b: 1, c: 2, ab: 3, abc: 4, Ġ: 5, Ċ: 6 },
      merges: [
        ['a', 'b'],
        ['ab', 'c'],
      ],
    },
  },
  {
    version: '1.0',
    added_tokens: [added(0, '<unk>'), added(1, '<s>')],
    normalizer: sequence('normalizers', [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ]),
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: sequence('decoders', [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ]),
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: '<unk>', fuse_unk: true, byte_fallback: true },
      vocab: { '<unk>': 0, '<s>': 1, '<0x0A>': 2, '▁': 3, a: 4, b: 5, '▁a': 6 },
      merges: ['▁ a'],
    },
  },
  {
    version: '1.0',
    added_tokens: [],
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 4] },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      ...{ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100 },
      vocab: { '[UNK]': 0, a: 1, '##b': 2, '[SEP]': 3, '[CLS]': 4 },
    },
  },
  {
    version: '1.0',
    added_tokens: [added(0, '<unk>')],
    normalizer: { type: 'Precompiled', precompiled_charsmap: '' },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', add_prefix_space: true, prepend_scheme: 'always' },
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
    model: {
      type: 'Unigram',
      unk_id: 0,
      byte_fallback: false,
      vocab: [
        ['<unk>', 0],
        ['▁', -2],
        ['a', -3],
        ['▁a', -4],
        ['b', -5],
      ],
    },
  },
  json('tokenizer.json'),
]

/** Patterns that try the same text in many ways. */
const patterns = [
  ...['(a+)+$', '(a|aa)+$', '(a|a)*b', '([a-z]+)*!', '(?:a+){2,}c', '(.*)*x', '(\\p{L}+\\s?)+$', '((a*)*)*b'],
  ...[
    'a*a*a*a*a*a*a*b',
    '.*.*.*.*.*.*=',
    '\\s*\\s*\\s*\\s*\\s*x',
    'a?a?a?a?a?a?a?a?aaaaaaaa',
    '[^\\s]+[^\\s]+[^\\s]+[^\\s]+$',
  ],
  ...[
    'a{0,99999}',
    '(a{0,99}){0,99}b',
    '(?<=a+)b',
    '(?=(a+))a*b\\1',
    '\\b',
    '(?:)',
    '',
    '[',
    '(?i)a',
    '\\p{Script=Han}+',
    '(?>a+)b',
  ],
]

/** A part of a tokenizer that reads any text, and parts that hold it. */
function part(c: Choices): object {
  const inner = c.of<() => object>([
    () => ({
      type: 'Replace',
      pattern: { Regex: c.of(patterns) },
      content: c.of(['', 'a', 'aa', '$&$&', 'x'.repeat(100)]),
    }),
    () => ({
      type: 'Replace',
      pattern: { String: c.of(['', 'a', 'aa', ' ']) },
      content: c.of(['', 'aa', 'a'.repeat(1000)]),
    }),
    () =>
      split(
        { Regex: c.of(patterns) },
        c.of(['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous', 'x']),
      ),
    () => split({ String: c.of(['', 'a', ' ']) }),
    () => ({
      type: c.of([
        'NFKC',
        'NFKD',
        'NFD',
        'StripAccents',
        'Lowercase',
        'Whitespace',
        'Punctuation',
        'Nmt',
        'UnicodeScripts',
      ]),
    }),
    () => ({ type: 'Strip', strip_left: true, strip_right: true, content: 'a', start: 1e9, stop: -1 }),
    () => ({ type: 'Prepend', prepend: 'a'.repeat(c.size(1000)) }),
  ])()
  const depth = c.chance(0.3) ? c.size(600) : 0
  const name = c.of(['normalizers', 'pretokenizers', 'decoders', 'processors'])
  let around = c.chance(0.2)
    ? sequence(
        name,
        Array.from({ length: c.size(300) }, () => inner),
      )
    : inner
  for (let i = 0; i < depth; i++) around = sequence(name, [around])
  return around
}

const texts = [
  `abc aé ${'a'.repeat(40)}!\n😀 <s>`,
  'a'.repeat(3000),
  `${' '.repeat(2000)}x`,
  'ab '.repeat(1000),
  '\ud800\u0301\0\u202e<s><s>',
]

/** tokenizer.json and tokenizer_config.json. */
export const tokenizerReaders = (files: Files): readonly Reader[] => [
  {
    name: 'tokenizer.json',
    make(c) {
      const base = c.of(tokenizers)
      const place = c.of(['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'])
      const value = c.chance(0.4) ? { ...base, [place]: part(c) } : base
      const isPlain = value !== base && c.chance(0.7)
      const one = files.write('tokenizer/tokenizer.json', isPlain ? textOf(value) : jsonText(value, c))
      const config = json('tokenizer_config.json')
      const two = files.write(
        'tokenizer/tokenizer_config.json',
        c.chance(0.2) ? jsonText(config, c) : JSON.stringify(config),
      )
      const text = c.chance(0.7) ? texts[0]! : c.of(texts)
      return {
        bytes: one.bytes + two.bytes + Buffer.byteLength(text),
        read() {
          const tokenizer = Tokenizer.open(files.path('tokenizer'))
          const began = process.cpuUsage()
          const ids = tokenizer.encode(text)
          const isQuick = process.cpuUsage(began).user < 100_000
          holds(
            ids.every((id) => Number.isSafeInteger(id) && id >= 0 && id < tokenizer.size),
            `ids below ${tokenizer.size}`,
          )
          holds(typeof tokenizer.decode(ids) === 'string', 'ids become a text')
          holds(!isQuick || tokenizer.encode(text).join() === ids.join(), 'a text has the same tokens again')
        },
      }
    },
  },
]

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    return '{"normalizer":'.repeat(20_000)
  }
}
