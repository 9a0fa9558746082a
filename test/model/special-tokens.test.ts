import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Tokenizer } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { addedToken } from '../added-token.js'
import { scratch } from './tiny.js'

const before: JsonObject = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
}
const vocab = { '<unk>': 0, '<s>': 1, '</s>': 2, fox: 3, owl: 4 }
const all = ['<unk>', '<s>', '</s>'].map(addedToken)
const unknown = all.slice(0, 1)
const map = { bos_token: '<s>', eos_token: { content: '</s>' } }
const decoder = (token: ReturnType<typeof addedToken>) => {
  const { id, ...own } = token
  return { [id]: own }
}

interface Files {
  readonly tokens?: readonly JsonObject[]
  readonly post?: JsonObject
  readonly config?: JsonObject
  readonly map?: JsonObject
  readonly more?: JsonObject
}

function folderOf({ tokens = all, post, config, map, more }: Files): string {
  const folder = scratch()
  const write = (name: string, json: unknown) =>
    json !== undefined && writeFileSync(join(folder, name), JSON.stringify(json))
  const model = {
    type: 'WordPiece',
    unk_token: '<unk>',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab,
  }
  const pieces = { normalizer: null, pre_tokenizer: { type: 'WhitespaceSplit' }, decoder: null }
  write('tokenizer.json', { version: '1.0', added_tokens: tokens, ...pieces, post_processor: post ?? null, model })
  write('tokenizer_config.json', config)
  write('special_tokens_map.json', map)
  write('added_tokens.json', more)
  return folder
}

/** As transformers 5.24 (AutoTokenizer) reads such files: `fox<s> owl </s><x>`, where `fox<s>` is one unknown word unless <s> is
 *  a token of its own. */
const rows: [string, Files, number[]][] = [
  ['the post-processor puts it there', { post: before, config: { bos_token: '<s>' } }, [1, 3, 1, 4, 2, 0]],
  [
    'the post-processor says so, add_bos_token not',
    { post: before, config: { bos_token: '<s>', add_bos_token: false } },
    [1, 3, 1, 4, 2, 0],
  ],
  [
    'add_bos_token says so, no post-processor does',
    { config: { bos_token: '<s>', add_bos_token: true } },
    [3, 1, 4, 2, 0],
  ],
  [
    'add_eos_token says so, the post-processor not',
    { post: before, config: { eos_token: '</s>', add_eos_token: true } },
    [1, 3, 1, 4, 2, 0],
  ],
  ['no other file is there', { post: before }, [1, 3, 1, 4, 2, 0]],
  ['the config says null', { post: before, config: { bos_token: null } }, [1, 3, 1, 4, 2, 0]],
  [
    'only the config names the tokens',
    { tokens: unknown, config: { bos_token: '<s>', eos_token: { __type: 'AddedToken', ...addedToken('</s>', 2) } } },
    [3, 1, 4, 2, 0],
  ],
  ['only the map names the tokens', { tokens: unknown, config: {}, map }, [3, 1, 4, 2, 0]],
  ['only the map is there', { tokens: unknown, map }, [3, 1, 4, 2, 0]],
  [
    'the config’s decoder names one',
    { tokens: unknown, config: { added_tokens_decoder: decoder(addedToken('<s>', 1)) } },
    [3, 1, 4, 0],
  ],
  [
    'the config’s decoder is there, the map does not count',
    { tokens: unknown, config: { added_tokens_decoder: decoder(addedToken('<unk>', 0)) }, map },
    [0, 4, 0],
  ],
  ['additional tokens get the next id', { config: { additional_special_tokens: ['<x>'] } }, [3, 1, 4, 2, 5]],
  ['extra tokens have names', { config: { extra_special_tokens: { image_token: '<x>' } } }, [3, 1, 4, 2, 5]],
  ['a token of the model’s own has a name', { config: { image_token: '<x>' } }, [3, 1, 4, 2, 5]],
  ['added_tokens.json has one', { more: { '<x>': 5 } }, [3, 1, 4, 2, 5]],
]
test.each(rows)('a text has the tokens that transformers gives it where %s', (_, files, ids) => {
  expect(Tokenizer.open(folderOf(files)).encode('fox<s> owl </s><x>')).toEqual(ids)
})

test('a token beyond the rows of the embedding is refused in a text that holds it, and nowhere else', () => {
  const tokenizer = Tokenizer.open(folderOf({ config: { pad_token: '<x>' } }), 5)
  expect(tokenizer.encode('fox owl')).toEqual([3, 4])
  expect(() => tokenizer.encode('fox <x>')).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      message: 'the text has the token "<x>" (id 5), but the model\'s embedding has 5 rows',
    }) as Error,
  )
  expect(() => Tokenizer.open(folderOf({}), 4)).toThrow(/has token ids up to 4, but the model has 4 tokens/)
})
