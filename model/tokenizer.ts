import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, type JsonObject } from '../api/index.js'
import { cleanUp } from './clean-up.js'
import { ggufTokenizer, tokenizerFiles } from './folder.js'
import { ggufOf } from './gguf/read.js'
import { kept } from './kept.js'
import { fitLongWords, type Bpe, type Rank } from './long-words.js'
import { rankedBpe } from './ranked-bpe.js'
import { makeEngine, type Engine } from './tokenizer-engine.js'
import { fitUnigram, type Unigram } from './unigram.js'
import { unknownToken } from './unknown-token.js'
import { shown } from '../errors/foreign.js'
import { within } from '../errors/within.js'
import { matchingOf, type Matching } from './tokenizer-check.js'

/** Any pattern may need the square of a text's length, or its cube: of texts from this length on, that is bounded. */
const longForPatterns = 1000

/** Converts text to token ids and back, with the tokenizer of a model's folder (`tokenizer.json`) or GGUF file. */
export class Tokenizer {
  private constructor(
    private readonly engine: Engine,
    /** Largest id + 1. */
    readonly size: number,
    /** Whether `decode` removes spaces before punctuation: only if tokenizer_config.json demands it, as in transformers since
     *  4.46. */
    readonly cleansUp: boolean,
    private readonly special: ReadonlySet<string>,
    /** The token for pieces of text outside the vocabulary. */
    readonly unknown: string | undefined,
    /** Number of rows of the model's embedding. */
    private readonly rows: number,
    /** Texts of tokens that may stand before a text, the better one first. */
    private readonly beginnings: readonly string[],
    /** How long its patterns may take. */
    private readonly matching: Matching,
  ) {}

  /** Opens the tokenizer of a model's folder or GGUF file.
   *
   *  @param vocabulary  number of rows of the model's embedding: a tokenizer with larger ids is refused, unless only added
   *                     tokens have them, which do no harm until a text contains them. @default Infinity
   *  @throws Failure InvalidInput if the tokenizer is missing, not supported, or too large */
  static open(folder: string, vocabulary = Infinity): Tokenizer {
    const { file, json, config, size, sizeWithoutAdded, engine } = sourceOf(folder)
    if (sizeWithoutAdded > vocabulary)
      throw new Failure(
        'InvalidInput',
        `${file} has token ids up to ${sizeWithoutAdded - 1}, but the model has ${vocabulary} tokens`,
        {
          file,
          remedy: 'Use the tokenizer that belongs to the model.',
        },
      )
    try {
      const { clean_up_tokenization_spaces: cleansUp } = config as { clean_up_tokenization_spaces?: boolean }
      const special = specialTokens(json, config)
      const beginnings = [namedToken(config, 'bos_token'), namedToken(config, 'eos_token')].flatMap(
        (text) => text ?? [],
      )
      const unknown = unknownToken(json)
      return new Tokenizer(
        engine(),
        size,
        cleansUp === true,
        special,
        unknown,
        vocabulary,
        beginnings,
        matchingOf(json),
      )
    } catch (error) {
      throw new Failure('InvalidInput', `${file} is not supported: ${(error as Error).message}`, {
        file,
        cause: error,
        remedy: 'Use a tokenizer.json written by the library `tokenizers`.',
      })
    }
  }

  /** Encodes a text as token ids.
   *
   *  @param special  whether to add the tokenizer's special tokens, such as a leading `<s>`. @default true
   *  @throws Failure InvalidInput for a text that is too long, or contains a token beyond the model's embedding */
  encode(text: string, { special = true } = {}): number[] {
    const { ids: given } = this.attempt(text.length, () => this.engine.encode(text, { add_special_tokens: special }))
    const ids = Array.from(given, Number)
    const beyond = ids.find((id) => !(id < this.rows))
    if (beyond === undefined) return ids
    // The library has no id for what is outside the vocabulary if the unknown token is outside of it, too.
    if (Number.isNaN(beyond))
      throw new Failure('InvalidInput', `the text has characters for which the tokenizer has no token`, {
        remedy: "Use the model's own tokenizer: the unknown token of this one is not in its vocabulary.",
      })
    throw new Failure(
      'InvalidInput',
      `the text has the token ${shown(this.engine.id_to_token(beyond))} (id ${beyond}), but the model's embedding has ${this.rows} rows`,
      { remedy: 'Remove the token from the text, or use a model that was trained with it.' },
    )
  }

  /** The tokens that it puts at the beginning of a text, such as `<s>`; none for many. */
  get begin(): readonly number[] {
    const [whole, bare] = [this.encode('a'), this.encode('a', { special: false })]
    const at = whole.findIndex((_, i) => bare.every((id, j) => whole[i + j] === id))
    return whole.slice(0, Math.max(0, at))
  }

  /** The token that stands before a text of which the first token is predicted: the one that begins texts, or else the one
   *  that ends them. Undefined where tokenizer_config.json names neither. */
  get prefix(): number | undefined {
    for (const text of this.beginnings) {
      const ids = this.encode(text, { special: false })
      if (ids.length === 1) return ids[0]
    }
    return undefined
  }

  /** Whether the unknown token is among the ids. */
  hasUnknown(ids: readonly number[]): boolean {
    return this.unknown !== undefined && ids.some((id) => this.engine.id_to_token(id) === this.unknown)
  }

  /** Decodes token ids as text; ids without a token are left out.
   *
   *  @param special  whether to include special tokens. @default false
   *  @param clean    whether to remove spaces before punctuation. @default cleansUp */
  decode(ids: readonly number[], { special = false, clean = this.cleansUp } = {}): string {
    const known = ids.filter((id) => this.engine.id_to_token(id) !== undefined)
    // The engine refuses an empty list.
    if (known.length === 0) return ''
    const text = this.attempt(known.length, () =>
      this.engine.decode(known, { skip_special_tokens: !special, clean_up_tokenization_spaces: false }),
    )
    return clean ? cleanUp(text) : text
  }

  /** Calls the library: what it does not expect in a tokenizer.json, it meets only now. */
  private attempt<T>(length: number, work: () => T): T {
    try {
      if (this.matching === 'brief' || (this.matching === 'quadratic' && length < longForPatterns)) return work()
      const found = within(500 + length / 50, work)
      if (found.done) return found.value
    } catch (cause) {
      if (cause instanceof RangeError)
        throw new Failure('InvalidInput', `a text of ${length} characters is too long for the tokenizer`, {
          cause,
          remedy: 'Split it, or add line breaks: the tokenizer reads text without them at once.',
        })
      throw new Failure('InvalidInput', `the tokenizer cannot read a text: ${(cause as Error).message}`, {
        cause,
        remedy: 'Use a tokenizer.json written by the library `tokenizers`.',
      })
    }
    throw new Failure('InvalidInput', `the tokenizer takes too long on a text of ${length} characters`, {
      remedy: 'Its patterns nest repetitions, as in (a+)+. Use the tokenizer of the original model.',
    })
  }

  /** Whether `decode` always leaves an id out: special tokens, and ids without a token. */
  isSilent(id: number): boolean {
    const token = this.engine.id_to_token(id)
    return token === undefined || this.special.has(token)
  }
}

function specialTokens(json: object, config: object): ReadonlySet<string> {
  const { added_tokens: added = [] } = json as { added_tokens?: readonly { content: string; special?: boolean }[] }
  const { additional_special_tokens: more } = config as { additional_special_tokens?: readonly string[] | null }
  return new Set([...added.filter(({ special }) => special).map(({ content }) => content), ...(more ?? [])])
}

/** Reads the text of a special token from tokenizer_config.json. */
function namedToken(config: object, name: string): string | undefined {
  const token = (config as Record<string, unknown>)[name]
  const text = typeof token === 'object' && token !== null ? (token as { content?: unknown }).content : token
  return typeof text === 'string' && text !== '' ? text : undefined
}

/** The parts that a tokenizer is created from. */
interface Source {
  readonly file: string
  /** tokenizer.json, perhaps without its tokens, and tokenizer_config.json. */
  readonly json: JsonObject
  readonly config: object
  readonly size: number
  /** Largest id + 1, without added tokens. */
  readonly sizeWithoutAdded: number
  /** @throws Error if the library does not support the tokenizer */
  readonly engine: () => Engine
}

const sourceOf = kept(
  (folder: string): Source => {
    const gguf = ggufOf(folder)
    const source = gguf === undefined ? ofFiles(folder) : ofGguf(gguf)
    let engine: Engine | undefined
    return { ...source, engine: () => (engine ??= source.engine()) }
  },
  (folder) => {
    const gguf = ggufOf(folder)
    if (gguf !== undefined) return [gguf]
    return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
  },
)

function ofFiles(folder: string): Source {
  const { file, json, config } = tokenizerFiles(folder)
  const [own, added] = largestIds(json)
  return {
    file,
    json,
    config,
    size: Math.max(own, added) + 1,
    sizeWithoutAdded: own + 1,
    engine: () => withUnknown(fitted(makeEngine(json, config)), json),
  }
}

/** Tells the library's model which token stands for what is outside the vocabulary, where it does not read that itself: models of
 *  whole words. */
function withUnknown(engine: Engine, json: JsonObject): Engine {
  const model = engine.model as { unk_token_id?: number | undefined; tokens_to_ids: ReadonlyMap<string, number> }
  const unknown = unknownToken(json)
  if (unknown !== undefined) model.unk_token_id ??= model.tokens_to_ids.get(unknown)
  return engine
}

/** Adapts the library's tokenizer to long texts. */
function fitted(engine: Engine, rank?: Rank): Engine {
  const { model } = engine
  const { trie, bpe_ranks: ranks } = model as { trie?: object; bpe_ranks?: ReadonlyMap<string, number> }
  if (trie) fitUnigram(model as Unigram)
  else if (ranks) {
    fitLongWords(model as Bpe, rank ?? ((left, right) => ranks.get(JSON.stringify([left, right]))))
  }
  return engine
}

function ofGguf(file: string): Source {
  const { tokens, merges, frame, config } = ggufTokenizer(file)
  const engine = (): Engine => {
    if (!merges) return fitted(makeEngine(frame, config))
    const made = makeEngine({ ...frame, model: { ...frame.model, vocab: {}, merges: [] } }, config)
    made.model = rankedBpe(frame.model, { ...tokens, rank: merges.rank })
    return fitted(made, merges.rank)
  }
  return { file, json: frame, config, size: tokens.texts.length, sizeWithoutAdded: tokens.texts.length, engine }
}

/** Largest ids of the vocabulary, and of added tokens; -1 if there are none. */
function largestIds(json: object): readonly [own: number, added: number] {
  const { model, added_tokens: added = [] } = json as {
    model?: { vocab?: Record<string, number> | readonly (readonly [string, number])[] }
    added_tokens?: readonly { id: number; content: string }[]
  }
  const later = new Set(added.map(({ content }) => content))
  const vocab = model?.vocab ?? {}
  const ids = Array.isArray(vocab)
    ? (vocab as readonly (readonly [string, number])[]).map(([text], id) => [text, id] as const)
    : Object.entries(vocab as Record<string, number>)
  let largest = -1
  for (const [text, id] of ids) if (id > largest && !later.has(text)) largest = id
  return [largest, added.reduce((most, { id }) => Math.max(most, id), -1)]
}
