import type { Json, JsonObject } from '../../api/index.js'
import { openWhole } from './split.js'
import { byteLevelParts } from './tokenizer-bytes.js'
import { sentencePieceParts } from './tokenizer-pieces.js'
import { unigramParts } from './tokenizer-unigram.js'
import { Keys } from './read-keys.js'
import type { Merges, TokenizerParts, Tokens } from './tokenizer-parts.js'
import { tokenTypes } from './types.js'
import { entryOf, shown } from '../../errors/foreign.js'

/** The tokenizer of a GGUF file. */
export interface GgufTokenizer {
  readonly tokens: Tokens
  /** Present if the tokenizer joins pairs. */
  readonly merges?: Merges
  /** tokenizer.json; if there are merges, without tokens and merges. */
  readonly frame: TokenizerFrame
  /** tokenizer_config.json, including the chat template. */
  readonly config: JsonObject
}

/** The parts of a tokenizer.json other than tokens and merges. */
export interface TokenizerFrame extends JsonObject {
  readonly model: JsonObject & { readonly unk_token?: string | null }
}

const kinds: Readonly<Record<string, (keys: Keys, tokens: Tokens) => TokenizerParts>> = {
  gpt2: byteLevelParts,
  llama: sentencePieceParts,
  t5: unigramParts,
}

/** Reads the tokenizer of a GGUF file; undefined if it has none, or only ids: tokens without merges.
 *  @throws Failure InvalidInput for a kind of tokenizer that is not supported */
export function readGgufTokenizer(path: string): GgufTokenizer | undefined {
  const keys = new Keys(openWhole(path))
  const kind = kindOf(keys)
  if (kind === undefined) return undefined
  const parts = entryOf(kinds, kind)
  if (!parts)
    throw keys.refuse(
      `tokenizers of the kind "${kind}" (tokenizer.ggml.model) are not read from GGUF files`,
      `Supported: ${Object.keys(kinds).join(', ')}. Give token ids, or the model's Hugging Face folder.`,
    )
  const tokens = readTokens(keys)
  const named = namedTokens(keys)
  const kindParts = parts(keys, tokens)
  const frame = frameOf(keys, tokens, kindParts, named)
  return { tokens, ...(kindParts.merges && { merges: kindParts.merges }), frame, config: configOf(keys, named) }
}

/** Whether a GGUF file has a tokenizer for text, supported or not. Reads only the header. */
export const hasGgufTokenizer = (path: string): boolean => kindOf(new Keys(openWhole(path))) !== undefined

function kindOf(keys: Keys): string | undefined {
  const kind = keys.textOrNone('tokenizer.ggml.model') ?? 'none'
  const isIds = kind === 'gpt2' && (keys.textsOrNone('tokenizer.ggml.merges') ?? []).length === 0
  return kind === 'none' || isIds ? undefined : kind
}

/** Returns the whole tokenizer.json. */
export const tokenizerJson = ({ frame, tokens, merges }: GgufTokenizer): JsonObject => ({
  ...frame,
  model: { ...frame.model, ...(merges && { vocab: Object.fromEntries(tokens.ids), merges: merges.list() }) },
})

function readTokens(keys: Keys): Tokens {
  const texts = keys.textsOrNone('tokenizer.ggml.tokens')
  if (!texts || texts.length === 0) throw keys.refuse('has a tokenizer without tokens (tokenizer.ggml.tokens)')
  const types = keys.numbersOrNone('tokenizer.ggml.token_type') ?? texts.map(() => tokenTypes.normal)
  if (types.length !== texts.length)
    throw keys.refuse(`tokenizer.ggml.token_type has ${types.length} entries for ${texts.length} tokens`)
  const ids = new Map<string, number>()
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id]!
    ids.set(text, id)
    if (ids.size === id) throw keys.refuse(twice(texts, text))
  }
  return { texts, types, ids }
}

const twice = (texts: readonly string[], text: string): string => {
  const first = texts.indexOf(text)
  return `tokenizer.ggml.tokens has ${shown(text)} twice: as ${first} and ${texts.indexOf(text, first + 1)}`
}

interface Token {
  readonly text: string
  readonly id: number
}

/** Tokens with a special role. */
interface NamedTokens {
  readonly bos: Token | undefined
  readonly eos: Token | undefined
  readonly unknown: Token | undefined
  readonly padding: Token | undefined
}

function namedTokens(keys: Keys): NamedTokens {
  const texts = keys.textsOrNone('tokenizer.ggml.tokens') ?? []
  const named = (name: string): Token | undefined => {
    const id = keys.numberOrNone(`tokenizer.ggml.${name}_token_id`)
    if (id === undefined) return undefined
    const text = texts[id]
    if (text === undefined) throw keys.refuse(`tokenizer.ggml.${name}_token_id is ${id}, of ${texts.length} tokens`)
    return { text, id }
  }
  return { bos: named('bos'), eos: named('eos'), unknown: named('unknown'), padding: named('padding') }
}

/** Returns the tokenizer_config.json for a GGUF file's tokenizer, including the chat template; {} if it has none. Reads only the
 *  header.
 *  @throws Failure InvalidInput */
export function ggufTokenizerConfig(path: string): JsonObject {
  const keys = new Keys(openWhole(path))
  return keys.raw('tokenizer.ggml.tokens') === undefined ? {} : configOf(keys, namedTokens(keys))
}

/** Returns the chat template, or several with names; undefined if there is none. */
function templateOf(keys: Keys): Json | undefined {
  const single = keys.textOrNone('tokenizer.chat_template')
  const named = (keys.textsOrNone('tokenizer.chat_templates') ?? []).flatMap((name) => {
    const template = keys.textOrNone(`tokenizer.chat_template.${name}`)
    return template === undefined || name === 'default' ? [] : [{ name, template }]
  })
  if (named.length === 0) return single
  return single === undefined ? named : [{ name: 'default', template: single }, ...named]
}

function configOf(keys: Keys, { bos, eos, unknown, padding }: NamedTokens): JsonObject {
  const template = templateOf(keys)
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    // The library's default would remove spaces before punctuation from decoded text.
    clean_up_tokenization_spaces: false,
    model_max_length: keys.number('context_length'),
    ...(bos && { bos_token: bos.text }),
    ...(eos && { eos_token: eos.text }),
    ...(unknown && { unk_token: unknown.text }),
    ...(padding && { pad_token: padding.text }),
    ...(template !== undefined && { chat_template: template }),
  }
}

function frameOf(
  keys: Keys,
  { texts, types }: Tokens,
  parts: TokenizerParts,
  { bos, eos, unknown, padding }: NamedTokens,
): TokenizerFrame {
  const ends = new Set([bos?.id, eos?.id, padding?.id])
  const added: JsonObject[] = []
  texts.forEach((content, id) => {
    const type = types[id]
    const special = type === tokenTypes.control || type === tokenTypes.unknown || ends.has(id)
    if (special || type === tokenTypes.userDefined)
      added.push({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special })
  })
  const first = keys.flag('tokenizer.ggml.add_bos_token', parts.addsBos) ? bos : undefined
  const last = keys.flag('tokenizer.ggml.add_eos_token', parts.addsEos ?? false) ? eos : undefined
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: wrapping(first, last),
    decoder: parts.decoder,
    model: parts.merges ? { ...pairs, unk_token: unknown?.text ?? null, ...parts.model } : parts.model,
  }
}

/** Fields of `model` in a tokenizer.json for a tokenizer that joins pairs; kinds of tokenizers may override them. */
const pairs: JsonObject = {
  type: 'BPE',
  dropout: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
}

/** Creates the post-processor that adds the tokens before and after a text. */
function wrapping(first: Token | undefined, last: Token | undefined): Json {
  if (!first && !last) return null
  const token = ({ text }: Token): JsonObject => ({ SpecialToken: { id: text, type_id: 0 } })
  const around = (id: string): Json[] => [
    ...(first ? [token(first)] : []),
    { Sequence: { id, type_id: 0 } },
    ...(last ? [token(last)] : []),
  ]
  const used = [first, last].filter((own): own is Token => own !== undefined)
  return {
    type: 'TemplateProcessing',
    single: around('A'),
    pair: [...around('A'), ...around('B')],
    special_tokens: Object.fromEntries(used.map(({ text, id }) => [text, { id: text, ids: [id], tokens: [text] }])),
  }
}
