import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, Tokenizer, writeGguf } from '../../model/index.js'
import { tokenizerKeys } from '../../model/gguf/write-tokenizer.js'
import { writeByteLevelTokenizer } from '../byte-level.js'
import { blocks, scratch, writeTiny } from '../model/tiny.js'
import { askLlama, skipped, withoutLlama } from './llama.js'

const root = join(import.meta.dirname, '../../../shared/fixtures')
const hasFixtures = existsSync(root)

interface Case {
  readonly text: string
  readonly ids: readonly number[]
  readonly ids_with_special: readonly number[]
}

interface Json {
  model: {
    type: string
    vocab: Record<string, number>
    merges: unknown[]
    ignore_merges?: boolean
    byte_fallback?: boolean
    unk_id?: number | null
  }
  normalizer: unknown
  pre_tokenizer: unknown
}

/** A model with a fixture's tokenizer. */
async function openTokenizing(name: string, change?: (json: Json) => void) {
  const json = JSON.parse(readFileSync(join(root, name, 'tokenizer.json'), 'utf8')) as Json
  change?.(json)
  // More rows than tokens, as most models have.
  const folder = await writeTiny({ vocab_size: 500 })
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json))
  cpSync(join(root, name, 'tokenizer_config.json'), join(folder, 'tokenizer_config.json'))
  return openModel(folder, blocks)
}

const casesOf = (name: string) => JSON.parse(readFileSync(join(root, name, 'cases.json'), 'utf8')) as readonly Case[]

test.skipIf(hasFixtures)('SKIPPED: the reference tokenizers are not beside this checkout', () => {})

test.skipIf(withoutLlama || !hasFixtures).each(['tokenizer-byte-bpe', 'tokenizer-sentencepiece-bpe'])(
  `llama.cpp reads texts as %s does${skipped}`,
  async (name) => {
    const path = join(scratch(), 'model.gguf')
    await writeGguf(await openTokenizing(name), path)
    const cases = casesOf(name)
    const { tokens } = askLlama(path, { texts: cases.map(({ text }) => text) })
    tokens.forEach((ids, i) => expect(ids, JSON.stringify(cases[i]!.text)).toEqual(cases[i]!.ids))
  },
)

const split = (regex: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
})
const words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

const smollm = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Digits', individual_digits: true },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  ],
}
/** Ways to split texts into words, as tokenizers of families say them. */
const splits: readonly (readonly [string, (json: Json) => void])[] = [
  ['Llama 3', (json) => (Object.assign(json, { pre_tokenizer: split(words('{1,3}')) }).model.ignore_merges = true)],
  ['Llama 3, merging all', (json) => Object.assign(json, { pre_tokenizer: split(words('{1,3}')) })],
  ['Qwen2', (json) => Object.assign(json, { pre_tokenizer: split(words('')), normalizer: { type: 'NFC' } })],
  ['SmolLM', (json) => (json.pre_tokenizer = smollm)],
]

test.skipIf(withoutLlama || !hasFixtures).each(splits)(
  `llama.cpp splits texts into words as %s does${skipped}`,
  async (_, change) => {
    const model = await openTokenizing('tokenizer-byte-bpe', change)
    const path = join(scratch(), 'model.gguf')
    await writeGguf(model, path)
    const own = Tokenizer.open(model.folder)
    // llama.cpp leaves texts as they are, which nearly all are in the form NFC.
    const texts = [
      ...casesOf('tokenizer-byte-bpe').map(({ text }) => text.normalize('NFC')),
      "1234567 x12, I'LL we've  \n\n  x\t\t y...!?\n",
      '٣٤٥ ४५६ １２３ Ⅷ ½ x² H₂O',
    ]
    const { tokens } = askLlama(path, { texts })
    const plain = texts.map((text) => own.encode(text, { special: false }))
    tokens.forEach((ids, i) => expect(ids, JSON.stringify(texts[i])).toEqual(plain[i]))
  },
)

test.each(splits)('a tokenizer that splits as %s does, written and read, is written as before', async (_, change) => {
  const folder = await writeTiny({ vocab_size: 500 })
  writeByteLevelTokenizer(folder, ['ant', 'owl'])
  const file = join(folder, 'tokenizer.json')
  const json = JSON.parse(readFileSync(file, 'utf8')) as Json
  change(json)
  writeFileSync(file, JSON.stringify(json))
  const model = await openModel(folder, blocks)
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path)
  expect(tokenizerKeys(await openModel(path, blocks), 'text')).toEqual(tokenizerKeys(model, 'text'))
})

const replace = (regex: string, content: string) => ({ type: 'Replace', pattern: { Regex: regex }, content })
const joinSpaces = {
  type: 'Sequence',
  normalizers: [replace(' {2,}', ' '), replace('(?<![\\s\\S]) +| +(?![\\s\\S])', '')],
}
const metaspace = (scheme: string) => ({ type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split: true })

test.skipIf(withoutLlama || !hasFixtures).each<readonly [string, (json: Json) => void]>([
  ['and spaces joined', (json) => (json.normalizer = joinSpaces)],
  ['and spaces as they are', (json) => Object.assign(json, { normalizer: null, pre_tokenizer: metaspace('never') })],
])(`llama.cpp chooses pieces by their scores as Unigram does %s${skipped}`, async (_, change) => {
  const model = await openTokenizing('tokenizer-unigram', change)
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path)
  const own = Tokenizer.open(model.folder)
  const texts = [
    ...casesOf('tokenizer-unigram').map(({ text }) => text),
    '  the\n the   key QQQ日本 QQ\t',
    'the<s> key</s> ',
  ]
  const { tokens } = askLlama(path, { texts })
  const plain = texts.map((text) => own.encode(text, { special: false }))
  tokens.forEach((ids, i) => expect(ids, JSON.stringify(texts[i])).toEqual(plain[i]))
  expect(plain.flat()).toContain(0)
  const back = Tokenizer.open(path)
  expect(texts.map((text) => back.encode(text, { special: false }))).toEqual(plain)
})

test.skipIf(withoutLlama)(`llama.cpp reads the quickstart's texts as its parent does${skipped}`, async () => {
  const folder = join(import.meta.dirname, '../../examples/quickstart')
  const model = await openModel(join(folder, 'parent'), blocks)
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path)
  const lines = readFileSync(join(folder, 'data/validate.jsonl'), 'utf8').trim().split('\n')
  const texts = [
    ...lines.map((line) => (JSON.parse(line) as Case).text),
    '  copy   fox 12',
    'foxes are copy.',
    'a b\nfox',
  ]
  const { tokens } = askLlama(path, { texts })
  for (const own of [Tokenizer.open(model.folder), Tokenizer.open(path)]) {
    const plain = texts.map((text) => own.encode(text, { special: false }))
    expect(tokens).toEqual(plain)
    expect(texts.map((text) => own.encode(text))).toEqual(plain.map((ids) => [1, ...ids]))
    expect(own.decode(plain[0]!)).toBe(texts[0])
  }
})

test.skipIf(!hasFixtures).each<readonly [string, string, (json: Json) => void, string]>([
  ['of the kind Unigram that normalises letters', 'tokenizer-unigram', () => {}, 'its normaliser NFKC'],
  [
    'of the kind Unigram that keeps spaces and puts one in front',
    'tokenizer-unigram',
    (json) => (json.normalizer = null),
    'Metaspace "always", runs of spaces kept, ends kept',
  ],
  [
    'of the kind Unigram with pieces for bytes',
    'tokenizer-unigram',
    (json) => (Object.assign(json, { normalizer: joinSpaces }).model.byte_fallback = true),
    'does not support byte fallback',
  ],
  [
    'of the kind Unigram without an unknown token',
    'tokenizer-unigram',
    (json) => (Object.assign(json, { normalizer: joinSpaces }).model.unk_id = null),
    'needs an unknown token',
  ],
  [
    'of the kind Unigram with a piece across a space',
    'tokenizer-unigram',
    (json) => {
      json.normalizer = joinSpaces
      ;(json.model.vocab as unknown as [string, number][]).push(['the▁key', -1])
    },
    'spans a space',
  ],
  [
    'that is a list of words',
    'tokenizer-byte-bpe',
    (json) => (Object.assign(json, { pre_tokenizer: { type: 'WhitespaceSplit' } }).model.type = 'WordLevel'),
    'the kind WordLevel',
  ],
  [
    'with a lower-casing normaliser',
    'tokenizer-byte-bpe',
    (json) => (json.normalizer = { type: 'Lowercase' }),
    'Lowercase',
  ],
  [
    'that splits at a regular expression of its own',
    'tokenizer-byte-bpe',
    (json) =>
      (json.pre_tokenizer = {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: 'x+' }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
        ],
      }),
    'its pre-tokenizer matches none',
  ],
  [
    'without a token for some byte',
    'tokenizer-sentencepiece-bpe',
    (json) => {
      json.model.vocab['<0xfe>'] = json.model.vocab['<0xFE>']!
      delete json.model.vocab['<0xFE>']
    },
    'but it has 255',
  ],
  [
    'that does not merge a pair which llama.cpp would',
    'tokenizer-sentencepiece-bpe',
    (json) => (json.model.vocab['th'] = 301),
    'it does not merge "t" and "h" to the token "th"',
  ],
  [
    'with more tokens than the model',
    'tokenizer-byte-bpe',
    (json) => (json.model.vocab['more'] = 500),
    'has the id 500',
  ],
])('a tokenizer %s is refused, and can be left out', async (_, name, change, said) => {
  const model = await openTokenizing(name, change)
  const path = join(scratch(), 'model.gguf')
  await expect(writeGguf(model, path)).rejects.toThrow(said)
  expect(existsSync(path)).toBe(false)
  expect(await writeGguf(model, path, { tokenizer: 'ids' })).toBeGreaterThan(0)
})
