import { Failure } from '../api/index.js'
import { shown } from '../errors/foreign.js'
import { isObject } from './json-object.js'

/** Ids are below this: the largest vocabularies have a million tokens, and lists of them are made. */
const mostTokens = 2 ** 24

/**
 * Checks the tokens of a tokenizer.json. The library that reads the rest refuses what it does not know.
 * @throws Failure InvalidInput
 */
export function checkTokens(json: Readonly<Record<string, unknown>>, file: string): void {
  const bad = (message: string) =>
    new Failure('InvalidInput', `${file}: ${message}`, {
      file,
      remedy: 'Use a tokenizer.json written by the library `tokenizers`.',
    })
  const isId = (id: unknown): boolean => Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < mostTokens
  const { added_tokens: added, model } = json
  if (!isMissing(added) && !Array.isArray(added)) throw bad(`"added_tokens" is ${shown(added)}, not a list`)
  for (const token of (added ?? []) as readonly unknown[]) {
    const { id, content } = (isObject(token) ? token : {}) as { readonly id?: unknown; readonly content?: unknown }
    if (!isId(id) || typeof content !== 'string') throw bad(`"added_tokens" has ${shown(token)}`)
  }
  if (isMissing(model)) return
  if (!isObject(model)) throw bad(`"model" is ${shown(model)}, not an object`)
  const { vocab, merges } = model
  if (Array.isArray(vocab)) {
    for (const piece of vocab as readonly unknown[])
      if (!Array.isArray(piece) || typeof piece[0] !== 'string' || typeof piece[1] !== 'number')
        throw bad(`"vocab" has ${shown(piece)}, not a token and its score`)
  } else if (isObject(vocab)) {
    for (const [token, id] of Object.entries(vocab))
      if (!isId(id)) throw bad(`"vocab" gives ${shown(token)} the id ${shown(id)}`)
  } else if (!isMissing(vocab)) throw bad(`"vocab" is ${shown(vocab)}, not an object or a list`)
  if (isMissing(merges)) return
  if (!Array.isArray(merges)) throw bad(`"merges" is ${shown(merges)}, not a list`)
  for (const merge of merges as readonly unknown[])
    if (!(typeof merge === 'string' || (Array.isArray(merge) && merge.length === 2 && merge.every(isText))))
      throw bad(`"merges" has ${shown(merge)}, not a pair`)
}

const isMissing = (value: unknown): boolean => value === undefined || value === null
const isText = (value: unknown): boolean => typeof value === 'string'

/** Whether a tokenizer has a pattern that repeats a group, as in `(a+)+`: it may try to match a text for ever. */
export function repeatsGroups(json: Readonly<Record<string, unknown>>): boolean {
  const open: unknown[] = [json.normalizer, json.pre_tokenizer, json.post_processor, json.decoder]
  for (let value = open.pop(); value !== undefined || open.length > 0; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue
    const { Regex: pattern } = value as { readonly Regex?: unknown }
    if (typeof pattern === 'string' && /\)[*+{]/.test(pattern)) return true
    for (const part of Object.values(value)) open.push(part)
  }
  return false
}
