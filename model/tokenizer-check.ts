import { Failure } from '../api/index.js'
import { shown } from '../errors/foreign.js'
import { isObject } from '../api/json-object.js'

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
  const { vocab, merges, unk_token: unknown, unk_id: unknownId } = model
  if (!isMissing(unknown) && !isText(unknown)) throw bad(`"unk_token" is ${shown(unknown)}, not a token`)
  if (!isMissing(unknownId) && Array.isArray(vocab) && !(isId(unknownId) && (unknownId as number) < vocab.length))
    throw bad(`"unk_id" is ${shown(unknownId)}, not one of ${vocab.length} tokens`)
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

/** The parts of a tokenizer that read a text in turn, those within others included: its normalizer, and so on. */
function* partsOf(json: Readonly<Record<string, unknown>>): Generator<readonly object[]> {
  for (const pipeline of [json.normalizer, json.pre_tokenizer, json.post_processor, json.decoder]) {
    const parts: object[] = []
    const open = [pipeline]
    while (open.length > 0) {
      const value = open.pop()
      if (typeof value !== 'object' || value === null) continue
      parts.push(value)
      for (const part of Object.values(value)) open.push(part)
    }
    yield parts
  }
}

/** How many times as long a text may become in the normalizer, and in each of the parts after it. Real ones double it at most. */
const mostGrowth = 16

/**
 * Refuses a tokenizer that would make a short text as long as memory: thirty times `a` replaced by `aa` make it a thousand million
 * times as long.
 * @throws Failure InvalidInput
 */
export function checkGrowth(json: Readonly<Record<string, unknown>>, file: string): void {
  for (const parts of partsOf(json)) {
    const growth = parts.reduce((n, part) => n * growthOf(part as Part), 1)
    if (growth > mostGrowth)
      throw new Failure('InvalidInput', `${file}: its parts may make a text more than ${mostGrowth} times as long`, {
        file,
        remedy: "Use the model's own tokenizer.json.",
      })
  }
}

/** What parts of a tokenizer are described by. */
interface Part {
  readonly type?: unknown
  readonly content?: unknown
  readonly prepend?: unknown
  readonly pattern?: { readonly String?: unknown } | null
}

function growthOf({ type, content, prepend, pattern }: Part): number {
  // Each byte of a character becomes a character, of two bytes.
  if (type === 'ByteLevel') return 2
  if (type === 'Prepend') return typeof prepend === 'string' ? 1 + prepend.length : 1
  if (type !== 'Replace' || typeof content !== 'string') return 1
  const { String: text } = pattern ?? {}
  // `$&` in the content is what was found.
  const found = typeof text === 'string' && !content.includes('$') ? text.length : 1
  // An empty pattern is found between all characters.
  return found === 0 ? 1 + content.length : Math.max(1, content.length / found)
}

/** How long patterns may take: like any that is usual; like the square of a text's length and more; or for ever. */
export type Matching = 'brief' | 'quadratic' | 'endless'

/** How long the patterns of a tokenizer may take. */
export function matchingOf(json: Readonly<Record<string, unknown>>): Matching {
  const patterns = [...partsOf(json)].flat().flatMap((part) => {
    const { Regex: pattern } = part as { readonly Regex?: unknown }
    return typeof pattern === 'string' ? [pattern] : []
  })
  if (patterns.length === 0) return 'brief'
  return patterns.some(mayBeEndless) ? 'endless' : 'quadratic'
}

/** Whether a pattern repeats a group, as `(a+)+` does, or has several repetitions in a row: it may try to match a text for ever. */
function mayBeEndless(pattern: string): boolean {
  const plain = pattern.replaceAll(/\[(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\./gs, 'c')
  return (
    /\)[*+{]/.test(plain) || plain.split('|').some((alternative) => (alternative.match(/[*+]|,\}/g) ?? []).length >= 3)
  )
}
