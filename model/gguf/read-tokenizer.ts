import type { Json, JsonObject } from '../../plugins/api/index.js'
import { GgufFile } from './container.js'
import { byteLevelParts } from './tokenizer-bytes.js'
import { sentencePieceParts } from './tokenizer-pieces.js'
import { Keys } from './read-keys.js'
import { tokenTypes } from './types.js'

/** A tokenizer of a GGUF file as Hugging Face's files say it. */
export interface GgufTokenizer {
  /** tokenizer.json */
  readonly json: JsonObject
  /** tokenizer_config.json, the chat template included. */
  readonly config: JsonObject
}

/** What the kinds of tokenizers differ in. */
export interface TokenizerParts {
  readonly normalizer: Json
  readonly preTokenizer: Json
  readonly decoder: Json
  readonly merges: [string, string][]
  readonly model: JsonObject
  /** Whether `<s>` comes first where the file does not say so. */
  readonly addsBos: boolean
}

/** A token of a GGUF file. */
export interface Token {
  readonly text: string
  readonly id: number
  readonly type: number
}

const kinds: Readonly<Record<string, (keys: Keys, tokens: readonly Token[]) => TokenizerParts>> = {
  gpt2: byteLevelParts,
  llama: sentencePieceParts,
}

/** The tokenizer of a GGUF file; undefined where it has none, or one of ids alone: tokens without merges.
 *  @throws Failure InvalidInput for one of a kind that is not read */
export function readGgufTokenizer(path: string): GgufTokenizer | undefined {
  const keys = new Keys(GgufFile.open(path))
  const kind = keys.textOrNone('tokenizer.ggml.model') ?? 'none'
  if (kind === 'none') return undefined
  const parts = kinds[kind]
  if (!parts)
    throw keys.refuse(
      `tokenizers of the kind "${kind}" (tokenizer.ggml.model) are not read from GGUF files`,
      `Supported: ${Object.keys(kinds).join(', ')}. Give token ids, or the model's Hugging Face folder.`,
    )
  if (kind === 'gpt2' && (keys.textsOrNone('tokenizer.ggml.merges') ?? []).length === 0) return undefined
  const tokens = readTokens(keys)
  const named = namedTokens(keys)
  return { json: jsonOf(keys, tokens, parts(keys, tokens), named), config: configOf(keys, named) }
}

function readTokens(keys: Keys): Token[] {
  const texts = keys.textsOrNone('tokenizer.ggml.tokens')
  if (!texts || texts.length === 0) throw keys.refuse('has a tokenizer without tokens (tokenizer.ggml.tokens)')
  const types = keys.numbersOrNone('tokenizer.ggml.token_type')
  if (types && types.length !== texts.length)
    throw keys.refuse(`tokenizer.ggml.token_type has ${types.length} entries for ${texts.length} tokens`)
  const seen = new Map<string, number>()
  return texts.map((text, id) => {
    const before = seen.get(text)
    if (before !== undefined)
      throw keys.refuse(`tokenizer.ggml.tokens has ${JSON.stringify(text)} twice: as ${before} and ${id}`)
    seen.set(text, id)
    return { text, id, type: types?.[id] ?? tokenTypes.normal }
  })
}

/** Tokens with a part of their own. */
interface NamedTokens {
  readonly bos: Token | undefined
  readonly eos: Token | undefined
  readonly unknown: Token | undefined
  readonly padding: Token | undefined
}

function namedTokens(keys: Keys): NamedTokens {
  const texts = keys.textsOrNone('tokenizer.ggml.tokens') ?? []
  const types = keys.raw('tokenizer.ggml.token_type') as ArrayLike<number> | undefined
  const named = (name: string): Token | undefined => {
    const id = keys.numberOrNone(`tokenizer.ggml.${name}_token_id`)
    if (id === undefined) return undefined
    const text = texts[id]
    if (text === undefined) throw keys.refuse(`tokenizer.ggml.${name}_token_id is ${id}, of ${texts.length} tokens`)
    return { text, id, type: types?.[id] ?? tokenTypes.normal }
  }
  return { bos: named('bos'), eos: named('eos'), unknown: named('unknown'), padding: named('padding') }
}

/** What tokenizer_config.json says of a GGUF file's tokenizer, the chat template included; {} where it has none. Quick: no more
 *  than the header is read.
 *  @throws Failure InvalidInput */
export function ggufTokenizerConfig(path: string): JsonObject {
  const keys = new Keys(GgufFile.open(path))
  return keys.raw('tokenizer.ggml.tokens') === undefined ? {} : configOf(keys, namedTokens(keys))
}

function configOf(keys: Keys, { bos, eos, unknown, padding }: NamedTokens): JsonObject {
  const template = keys.textOrNone('tokenizer.chat_template')
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    // The library's default would take spaces before punctuation out of what is decoded.
    clean_up_tokenization_spaces: false,
    model_max_length: keys.number('context_length'),
    ...(bos && { bos_token: bos.text }),
    ...(eos && { eos_token: eos.text }),
    ...(unknown && { unk_token: unknown.text }),
    ...(padding && { pad_token: padding.text }),
    ...(template !== undefined && { chat_template: template }),
  }
}

function jsonOf(keys: Keys, tokens: readonly Token[], parts: TokenizerParts, named: NamedTokens): JsonObject {
  const special = new Set([named.bos, named.eos, named.padding].map((token) => token?.id))
  const isSpecial = ({ id, type }: Token) =>
    type === tokenTypes.control || type === tokenTypes.unknown || special.has(id)
  const first = keys.flag('tokenizer.ggml.add_bos_token', parts.addsBos) ? named.bos : undefined
  const last = keys.flag('tokenizer.ggml.add_eos_token', false) ? named.eos : undefined
  const added = tokens.filter((token) => isSpecial(token) || token.type === tokenTypes.userDefined)
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((token) => ({
      id: token.id,
      content: token.text,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: isSpecial(token),
    })),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: wrapping(first, last),
    decoder: parts.decoder,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: named.unknown?.text ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      ...parts.model,
      vocab: Object.fromEntries(tokens.map(({ text, id }) => [text, id])),
      merges: parts.merges,
    },
  }
}

/** What puts the tokens before and behind a text. */
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
