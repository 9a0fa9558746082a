import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, type Json, type JsonObject } from '../api/index.js'
import { refuseStandIn } from '../files/stand-in.js'
import { checkGrowth, checkTokens } from './tokenizer-check.js'
import { isObject } from '../api/json-object.js'

/** A token that a tokenizer finds in a text before it splits the rest. */
type AddedToken = {
  readonly id: number
  readonly content: string
  readonly special?: boolean
}

/** Fields for tokens with a special role, in the order in which transformers adds them. */
const named = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token']

/** Largest file of a tokenizer that is read. Those of the largest vocabularies have 40 MB. */
const mostBytes = 2 ** 28

/** Reads a JSON object from a model's folder. @throws Failure InvalidInput */
export function readTokenizerFile(folder: string, name: string): JsonObject {
  const file = join(folder, name)
  refuseStandIn(file, mostBytes)
  const remedy = `Put the model's own ${name} into ${folder}.`
  try {
    const json = JSON.parse(readFileSync(file, 'utf8')) as Json
    if (isObject(json)) return json
  } catch (error) {
    throw new Failure('InvalidInput', `${file} cannot be read: ${(error as Error).message}`, { file, remedy })
  }
  throw new Failure('InvalidInput', `${file} is not a JSON object`, { file, remedy })
}

const ifThere = (folder: string, name: string): JsonObject =>
  existsSync(join(folder, name)) ? readTokenizerFile(folder, name) : {}

/**
 * Reads a folder's tokenizer_config.json, with the special tokens of special_tokens_map.json; {} if it has neither. As in
 * transformers, the map takes precedence over the config, but counts only if the config has no `added_tokens_decoder`.
 * @throws Failure InvalidInput
 */
export function tokenizerConfig(folder: string): JsonObject {
  const config = ifThere(folder, 'tokenizer_config.json')
  if (config.added_tokens_decoder !== undefined) return config
  const map = Object.entries(ifThere(folder, 'special_tokens_map.json'))
  return { ...config, ...Object.fromEntries(map.filter(([name]) => name !== 'additional_special_tokens')) }
}

/**
 * Adds to a tokenizer.json the tokens that only other files have, as transformers does: those of `added_tokens_decoder` or
 * added_tokens.json, and special tokens. Tokens without an id get the ids after the largest.
 * @param config  from `tokenizerConfig`
 */
export function withAddedTokens(folder: string, json: JsonObject, config: JsonObject): JsonObject {
  checkTokens(json, join(folder, 'tokenizer.json'))
  checkGrowth(json, join(folder, 'tokenizer.json'))
  const before = (json.added_tokens ?? []) as readonly AddedToken[]
  const added = new Map(before.map((token) => [token.content, token]))
  const ids = idsOf(json)
  let next = before.reduce((most, { id }) => Math.max(most, id), -1)
  for (const id of ids.values()) next = Math.max(next, id)
  const add = (token: Json | undefined, flags: JsonObject) => {
    const fields = isObject(token) ? token : { content: token }
    const { content } = fields
    if (typeof content !== 'string' || content === '' || added.has(content)) return
    const usual = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    added.set(content, { ...usual, ...fields, ...flags, content, id: ids.get(content) ?? ++next })
  }
  for (const token of addedElsewhere(folder, config)) add(token, {})
  const others = Object.keys(config).filter((name) => name.endsWith('_token') && !named.includes(name))
  for (const name of [...named, ...others]) add(config[name], { special: true })
  const extra = config.extra_special_tokens ?? config.additional_special_tokens
  const extras = Array.isArray(extra) ? (extra as readonly Json[]) : isObject(extra) ? Object.values(extra) : []
  for (const token of extras) add(token, { special: true })
  return added.size === before.length ? json : { ...json, added_tokens: [...added.values()] }
}

/** Tokens that tokenizer_config.json or added_tokens.json add, in the order of their ids there. */
function addedElsewhere(folder: string, config: JsonObject): Json[] {
  const { added_tokens_decoder: decoder } = config
  if (decoder !== undefined)
    return Object.entries(isObject(decoder) ? decoder : {})
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, token]) => (isObject(token) ? token : null))
  const special = new Set(named.map((name) => textOf(config[name])))
  return Object.entries(ifThere(folder, 'added_tokens.json'))
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .map(([content]) => ({ content, special: special.has(content), normalized: !special.has(content) }))
}

/** Returns the text of a token, which may be written as an object; undefined if it has none. */
export const textOf = (token: Json | undefined): string | undefined => {
  const text = isObject(token) ? token.content : token
  return typeof text === 'string' ? text : undefined
}

/** Ids of a tokenizer.json's own tokens. */
function idsOf(json: JsonObject): ReadonlyMap<string, number> {
  const { vocab } = (json.model ?? {}) as { readonly vocab?: Json }
  if (Array.isArray(vocab)) return new Map(vocab.map((piece, id) => [(piece as readonly [string, number])[0], id]))
  return new Map(Object.entries(isObject(vocab) ? (vocab as Readonly<Record<string, number>>) : {}))
}
