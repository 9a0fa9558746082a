import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, Tokenizer, writeGguf } from '../../model/index.js'
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
  model: { vocab: Record<string, number>; merges: unknown[]; ignore_merges?: boolean }
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

test.skipIf(withoutLlama || !hasFixtures).each<readonly [string, (json: Json) => void]>([
  ['Llama 3', (json) => (Object.assign(json, { pre_tokenizer: split(words('{1,3}')) }).model.ignore_merges = true)],
  ['Llama 3, merging all', (json) => Object.assign(json, { pre_tokenizer: split(words('{1,3}')) })],
  ['Qwen2', (json) => Object.assign(json, { pre_tokenizer: split(words('')), normalizer: { type: 'NFC' } })],
  [
    'SmolLM',
    (json) =>
      (json.pre_tokenizer = {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Digits', individual_digits: true },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
        ],
      }),
  ],
])(`llama.cpp splits texts into words as %s does${skipped}`, async (_, change) => {
  const model = await openTokenizing('tokenizer-byte-bpe', change)
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path)
  const own = Tokenizer.open(model.folder)
  // llama.cpp leaves texts as they are, which nearly all are in the form NFC.
  const texts = [
    ...casesOf('tokenizer-byte-bpe').map(({ text }) => text.normalize('NFC')),
    "1234567 x12, I'LL we've  \n\n  x\t\t y...!?\n",
  ]
  const { tokens } = askLlama(path, { texts })
  const plain = texts.map((text) => own.encode(text, { special: false }))
  tokens.forEach((ids, i) => expect(ids, JSON.stringify(texts[i])).toEqual(plain[i]))
})

test.skipIf(!hasFixtures).each<readonly [string, string, (json: Json) => void, string]>([
  ['of the kind Unigram', 'tokenizer-unigram', () => {}, 'the kind Unigram'],
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
    'its way to split texts',
  ],
  [
    'without a token for some byte',
    'tokenizer-sentencepiece-bpe',
    (json) => {
      json.model.vocab['<0xfe>'] = json.model.vocab['<0xFE>']!
      delete json.model.vocab['<0xFE>']
    },
    'and it has 255',
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
