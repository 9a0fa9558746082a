import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { StreamedText, Tokenizer } from '../../model/index.js'
import { uniform } from '../../tensor/random.js'
import { writeByteLevelTokenizer } from '../byte-level.js'
import { scratch } from './tiny.js'

/** Tokens are bytes. */
const bytes = {
  cleansUp: false,
  isSilent: () => false,
  decode: (ids: readonly number[]) => Buffer.from(ids).toString('utf8'),
}

describe('what is told', () => {
  const told = (text: string, stops: readonly string[] = [], before = '') => {
    const stream = new StreamedText(bytes, [...Buffer.from(before)], stops)
    const parts = [...Buffer.from(text)].map((token) => stream.add(token))
    return { parts, end: stream.end(), whole: stream.whole, stopped: stream.stopped }
  }

  test('a character waits until all of its bytes are there', () => {
    expect(told('aé😀').parts).toEqual(['a', '', 'é', '', '', '', '😀'])
  })

  test('half a character at the end is told at the end', () => {
    const stream = new StreamedText(bytes)
    expect([stream.add(0x61), stream.add(0xc3), stream.end()]).toEqual(['a', '', '\ufffd'])
  })

  test('bytes that begin no character do not wait for one', () => {
    const stream = new StreamedText(bytes)
    expect([stream.add(0xff), stream.add(0xff), stream.add(0x61)]).toEqual(['', '\ufffd', '\ufffda'])
  })

  test('the prompt is not told again', () => {
    expect(told('b', [], 'a').parts).toEqual(['b'])
    const long = 'é'.repeat(40)
    expect(told('b', [], long).parts).toEqual(['b'])
  })

  test('what may become a stop string waits, and is told when it becomes none', () => {
    expect(told('a\n\nb', ['\n\nQ']).parts).toEqual(['a', '', '', '\n\nb'])
    expect(told('a\n\n', ['\n\nQ'])).toMatchObject({ end: '\n\n', whole: 'a\n\n', stopped: false })
  })

  test('it ends before the first stop string', () => {
    expect(told('one. two. three', ['two', '. t'])).toEqual({
      parts: ['o', 'n', 'e', '', '', ...new Array<string>(10).fill('')],
      end: '',
      whole: 'one',
      stopped: true,
    })
  })

  test('a stop string may end with a character of several tokens', () => {
    expect(told('a\né!', ['\né'])).toMatchObject({ parts: ['a', '', '', '', ''], whole: 'a', stopped: true })
  })
})

const texts = [
  'The Key is in the kitchen.  Two  spaces, and\n\ttabs\r\n\n',
  "don't can't it 's we 've n't ' ' 'm . ? ! , x ' y ' re 're",
  'é e\u0301 a\u0308\u0323 ﬁ Å ① Ｆｕｌｌ',
  '日本語の文章。 中文，没有空格 한국어',
  '😀😀 👨‍👩‍👧‍👦 🇨🇭🇯🇵 👍🏽 ☺️',
  'हिन्दी ไทย العربية עברית',
  'for (let i = 0; i < 10; i++) {\n        f(i)\n}\n',
  '\ufffd \ufeff \u200b a\u0000b',
].flatMap((text) => [text, text.repeat(8)])

/** A tokenizer.json with a decoder of its own; ids are what counts. */
function written(decoder: object | null, tokens: readonly string[], model: object = { type: 'WordLevel' }): string {
  const folder = scratch()
  const all = ['<unk>', '<s>', '</s>', ...tokens]
  const vocab = Object.fromEntries(all.map((token, id) => [token, id]))
  const json = {
    version: '1.0',
    added_tokens: all.slice(0, 3).map((content, id) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder,
    model: { unk_token: '<unk>', vocab, ...model },
  }
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json))
  return folder
}

const words = ['an', 'owl', 'is', '.', ',', "'", "'s", 'n', "n't", '?']
const pieces = ['▁', '▁▁', '▁an', 'owl', '▁is', '.', '▁.', "'", '▁n', "'s", '▁x']
const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
const root = join(import.meta.dirname, '../../../shared/fixtures')
const fixtures = ['tokenizer-byte-bpe', 'tokenizer-sentencepiece-bpe', 'tokenizer-unigram'].filter((name) =>
  existsSync(join(root, name)),
)

const folders: readonly (readonly [name: string, () => string])[] = [
  ...fixtures.map((name) => [name, () => join(root, name)] as const),
  [
    'bytes',
    () => {
      const folder = scratch()
      writeByteLevelTokenizer(folder, ['key'])
      return folder
    },
  ],
  ['words', () => written(null, words)],
  ['word pieces', () => written({ type: 'WordPiece', prefix: '##', cleanup: false }, [...words, '##ing', '##s'])],
  [
    'ends of words',
    () =>
      written({ type: 'BPEDecoder', suffix: '</w>' }, [...words.map((word) => `${word}</w>`), 'un', 'like'], {
        type: 'BPE',
        merges: [],
      }),
  ],
  ['a space at the start, of the first token', () => written({ type: 'Metaspace', replacement: '▁' }, pieces)],
  [
    'a space at the start, and bytes',
    () =>
      written(
        {
          type: 'Sequence',
          decoders: [
            { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
            { type: 'ByteFallback' },
            { type: 'Fuse' },
            { type: 'Strip', content: ' ', start: 1, stop: 0 },
          ],
        },
        [...pieces, ...byteTokens],
      ),
  ],
]

test.skipIf(fixtures.length > 0)('SKIPPED: the reference tokenizers are not beside this checkout', () => {})

/** Ids in any order: bytes of no character, special tokens, ids without a token. */
function anyIds(tokenizer: Tokenizer, seed: number): number[] {
  const random = uniform(seed)
  return Array.from({ length: 200 }, () => Math.floor(random() * (tokenizer.size + 1)))
}

describe.each(folders)('told piece by piece with a tokenizer of %s', (_, folder) => {
  const streamed = (tokenizer: Tokenizer, ids: readonly number[], before: readonly number[] = []): string => {
    const stream = new StreamedText(tokenizer, before)
    return ids.map((id) => stream.add(id)).join('') + stream.end()
  }
  const sequences = (tokenizer: Tokenizer) => [
    ...texts.map((text) => tokenizer.encode(text)).filter((ids) => ids.length > 0 && !ids.some(Number.isNaN)),
    ...[1, 2, 3, 4].map((seed) => anyIds(tokenizer, seed)),
  ]

  test('the text is that of all tokens at once', () => {
    const tokenizer = Tokenizer.open(folder())
    for (const ids of sequences(tokenizer)) expect(streamed(tokenizer, ids)).toBe(tokenizer.decode(ids))
  })

  test('the text behind a prompt is what follows the prompt’s', () => {
    const tokenizer = Tokenizer.open(folder())
    let compared = 0
    for (const ids of sequences(tokenizer))
      for (let cut = 1; cut < ids.length; cut += 7) {
        const [whole, prompt] = [tokenizer.decode(ids), tokenizer.decode(ids.slice(0, cut))]
        // Of a character that is cut the prompt has told something else.
        if (!whole.startsWith(prompt) || prompt.endsWith('\ufffd')) continue
        compared++
        expect(prompt + streamed(tokenizer, ids.slice(cut), ids.slice(0, cut))).toBe(whole)
      }
    expect(compared).toBeGreaterThan(50)
  })

  test('with spaces cleaned up it is the cleaned text', () => {
    const raw = Tokenizer.open(folder())
    const tokenizer = { cleansUp: true, isSilent: raw.isSilent.bind(raw), decode: raw.decode.bind(raw) }
    for (const ids of sequences(raw)) {
      const stream = new StreamedText(tokenizer)
      expect(ids.map((id) => stream.add(id)).join('') + stream.end()).toBe(raw.decode(ids, { clean: true }))
    }
  })

  test('the tokens that are decoded for one more do not grow with the text', () => {
    const raw = Tokenizer.open(folder())
    let decoded = 0
    const tokenizer = {
      cleansUp: false,
      isSilent: raw.isSilent.bind(raw),
      decode: (ids: readonly number[], options?: { clean?: boolean }) => {
        decoded += ids.length
        return raw.decode(ids, options)
      },
    }
    const ids = [...Array.from({ length: 20 }, (_, i) => anyIds(raw, 10 + i)).flat(), ...new Array<number>(999).fill(1)]
    const stream = new StreamedText(tokenizer)
    let most = 0
    for (const id of ids) {
      decoded = 0
      stream.add(id)
      most = Math.max(most, decoded)
    }
    expect(most).toBeLessThanOrEqual(48)
  })
})

test('half a prompt’s character is no reason to decode all of it', () => {
  let most = 0
  const decode = (ids: readonly number[]) => {
    most = Math.max(most, ids.length)
    return bytes.decode(ids)
  }
  const stream = new StreamedText({ ...bytes, decode }, [...Buffer.from('日'.repeat(100))].slice(0, -1))
  most = 0
  expect([0xa5, 0x61].map((id) => stream.add(id)).join('')).toBe('日a')
  expect(most).toBeLessThanOrEqual(32)
})
