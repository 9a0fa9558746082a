import { existsSync } from 'node:fs'
import { Failure, type JsonObject } from '../../api/index.js'
import { chatTemplates } from '../chat-files.js'
import type { Model } from '../model.js'
import type { ModelConfig } from '../config.js'
import { tokenizerFiles } from '../folder.js'
import { modelFile } from '../model-files.js'
import { unknownToken } from '../unknown-token.js'
import { ggufOf } from './read.js'
import { hasGgufTokenizer } from './read-tokenizer.js'
import { byteLevelKeys } from './write-byte-level.js'
import type { KeyValue } from './write-file.js'
import { stepsOf, type Refuse, type TokenizerJson, type TokenList } from './tokenizer-json.js'
import { sentencePieceKeys } from './write-sentencepiece.js'
import { unigramKeys } from './write-unigram.js'
import { tokenTypes } from './types.js'
import { entryOf, shown } from '../../errors/foreign.js'

/**
 * Returns the keys of a tokenizer.
 * @param kind  `ids`: tokens are numbers without text
 * @throws Failure InvalidInput for a tokenizer with which llama.cpp would tokenise differently
 */
export function tokenizerKeys({ folder, config }: Model, kind: 'text' | 'ids'): Map<string, KeyValue> {
  const keys = kind === 'ids' ? numbers(config) : ofText(folder, config)
  return new Map(Object.entries(keys).map(([name, value]) => [`tokenizer.${name}`, value]))
}

const u32 = (value: number): KeyValue => ({ type: 'u32', value })
const bool = (value: boolean): KeyValue => ({ type: 'bool', value })
const string = (value: string): KeyValue => ({ type: 'string', value })

/** Keys for token ids without text: llama.cpp requires a distinct text for each. */
function numbers(config: ModelConfig): Record<string, KeyValue> {
  const ends = [config.bos, ...config.eos]
  const ids = Array.from({ length: config.vocabulary }, (_, id) => id)
  return {
    'ggml.model': string('gpt2'),
    'ggml.pre': string('default'),
    'ggml.tokens': { type: 'array', of: 'string', values: ids.map((id) => `[${id}]`) },
    'ggml.token_type': {
      type: 'array',
      of: 'i32',
      values: ids.map((id) => (ends.includes(id) ? tokenTypes.control : tokenTypes.normal)),
    },
    'ggml.merges': { type: 'array', of: 'string', values: [] },
    ...endKeys(config, {}),
  }
}

function ofText(folder: string, config: ModelConfig): Record<string, KeyValue> {
  const { file, json: given, config: settings } = tokenizerFiles(folder)
  const json = withNames(given)
  const refuse: Refuse = (message) =>
    new Failure('InvalidInput', `${file} cannot be written as GGUF: ${message}`, {
      file,
      remedy: 'Leave the tokenizer out (--token-ids): programs then pass token ids instead of text.',
    })
  const { pad_token: pad } = settings as {
    readonly pad_token?: string | { readonly content?: string } | null
  }
  if (typeof json.model?.vocab !== 'object' || Array.isArray(json.model.vocab))
    throw refuse(`llama.cpp's tokenizers of the kind ${String(json.model?.type)} do not produce the same tokens`)
  const { vocab, unk_token: unknown } = json.model
  const tokens = listOf(json, config, refuse)
  const byteLevel = stepsOf(json.pre_tokenizer).some(({ type }) => type === 'ByteLevel')
  const keysOf = json.model.type === 'Unigram' ? unigramKeys : byteLevel ? byteLevelKeys : sentencePieceKeys
  const padding = typeof pad === 'string' ? pad : pad?.content
  return {
    ...keysOf(json, tokens, refuse),
    'ggml.tokens': { type: 'array', of: 'string', values: tokens.texts },
    'ggml.token_type': { type: 'array', of: 'i32', values: tokens.types },
    ...endKeys(config, addedEnds(json)),
    ...(typeof unknown === 'string' && { 'ggml.unknown_token_id': u32(entryOf(vocab, unknown)!) }),
    ...(padding !== undefined &&
      tokens.texts.includes(padding) && {
        'ggml.padding_token_id': u32(tokens.texts.indexOf(padding)),
      }),
    ...templateKeys(folder, settings as JsonObject),
  }
}

/** Returns the keys of chat templates, as llama.cpp's own converter writes them: all but "default" have their names in the
 *  key. */
function templateKeys(folder: string, settings: JsonObject): Record<string, KeyValue> {
  const templates = chatTemplates(folder, settings, ggufOf(folder) ?? modelFile(folder, 'tokenizer_config.json'))
  const keys: Record<string, KeyValue> = {}
  const names: string[] = []
  for (const [name, { text }] of templates) {
    const keyName = name.replace(/[^A-Za-z0-9]/g, '_')
    if (name !== 'default') names.push(keyName)
    keys[name === 'default' ? 'chat_template' : `chat_template.${keyName}`] = string(text)
  }
  return names.length === 0 ? keys : { ...keys, chat_templates: { type: 'array', of: 'string', values: names } }
}

/** Turns Unigram's list of pieces and scores into a map from text to id, as other tokenizers have it. */
function withNames(json: object): TokenizerJson {
  const { model } = json as {
    readonly model?: { readonly type?: string; readonly vocab?: unknown }
  }
  if (model?.type !== 'Unigram' || !Array.isArray(model.vocab)) return json as TokenizerJson
  const pieces = model.vocab as readonly (readonly [string, number])[]
  const vocab = Object.fromEntries(pieces.map(([text], id) => [text, id]))
  const unknown = unknownToken(json)
  const named = {
    ...model,
    vocab,
    scores: pieces.map(([, score]) => score),
    ...(unknown !== undefined && { unk_token: unknown }),
  }
  return { ...json, model: named }
}

/** Returns why GGUF cannot represent a model's tokenizer; undefined if it can, or if the model has none. */
export function ggufTokenizerCannot(model: Model): string | undefined {
  try {
    if (hasTokenizer(model.folder)) tokenizerKeys(model, 'text')
    return undefined
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return error.message
  }
}

/** Whether a model has a tokenizer for text. */
export function hasTokenizer(folder: string): boolean {
  const gguf = ggufOf(folder)
  return gguf === undefined ? existsSync(modelFile(folder, 'tokenizer.json')) : hasGgufTokenizer(gguf)
}

/** The placeholder of llama.cpp's own converter for a row of the embedding without a token. */
const padOf = (id: number): string => `[PAD${id}]`

/** All tokens by id; rows of the embedding without a token get a placeholder. */
function listOf({ model, added_tokens: added = [] }: TokenizerJson, config: ModelConfig, refuse: Refuse): TokenList {
  const texts: string[] = []
  const types: number[] = []
  const set = (id: number, text: string, type: number) => {
    if (!Number.isSafeInteger(id) || id < 0 || id >= config.vocabulary)
      throw refuse(`the token ${shown(text)} has the id ${id}, but the model has ${config.vocabulary} tokens`)
    texts[id] = text
    types[id] = type
  }
  for (const [text, id] of Object.entries(model.vocab)) {
    const isByte = model.byte_fallback === true && /^<0x[0-9A-F]{2}>$/.test(text)
    // A tokenizer read from GGUF has these placeholders, too.
    set(id, text, isByte ? tokenTypes.byte : text === padOf(id) ? tokenTypes.unused : tokenTypes.normal)
  }
  for (const { id, content, special } of added)
    set(id, content, special === true ? tokenTypes.control : tokenTypes.userDefined)
  const unknown = model.unk_token
  const unknownId = entryOf(model.vocab, unknown)
  if (unknownId !== undefined) set(unknownId, unknown!, tokenTypes.unknown)
  const seen = new Set<string>()
  for (let id = 0; id < config.vocabulary; id++) {
    if (texts[id] === undefined) set(id, padOf(id), tokenTypes.unused)
    if (seen.has(texts[id]!)) throw refuse(`the token ${shown(texts[id])} occurs twice`)
    seen.add(texts[id]!)
  }
  return { texts, types }
}

/** Tokens that the post-processor adds before and after a text. */
function addedEnds({ post_processor: post }: TokenizerJson): { readonly before?: number; readonly behind?: number } {
  const template = stepsOf(post).find(({ type }) => type === 'TemplateProcessing') as
    | {
        readonly single?: readonly { readonly SpecialToken?: { readonly id: string } }[]
        readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] }>>
      }
    | undefined
  const idOf = (piece: { readonly SpecialToken?: { readonly id: string } } | undefined) =>
    piece?.SpecialToken && template?.special_tokens?.[piece.SpecialToken.id]?.ids[0]
  const [before, behind] = [idOf(template?.single?.[0]), idOf(template?.single?.at(-1))]
  return { ...(before !== undefined && { before }), ...(behind !== undefined && { behind }) }
}

function endKeys(config: ModelConfig, { before, behind }: ReturnType<typeof addedEnds>): Record<string, KeyValue> {
  const [bos, eos] = [before ?? config.bos, behind ?? config.eos[0]]
  // Chat models have further end tokens.
  const eot = config.eos.find((id) => id !== eos)
  return {
    ...(bos !== undefined && { 'ggml.bos_token_id': u32(bos) }),
    ...(eos !== undefined && { 'ggml.eos_token_id': u32(eos) }),
    ...(eot !== undefined && { 'ggml.eot_token_id': u32(eot) }),
    'ggml.add_bos_token': bool(before !== undefined),
    'ggml.add_eos_token': bool(behind !== undefined),
  }
}
