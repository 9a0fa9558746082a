import * as engines from '@huggingface/tokenizers'
import { Failure } from '../api/index.js'
import { cleanUp } from './clean-up.js'
import { ggufTokenizer, tokenizerFiles } from './folder.js'
import { ggufOf } from './gguf/read.js'
import { fitLongWords, type Bpe, type Rank } from './long-words.js'
import { rankedBpe } from './ranked-bpe.js'
import { fitUnigram, type Unigram } from './unigram.js'
import { unknownToken } from './unknown-token.js'

/** What is used of the library's tokenizer (its own types do not resolve under Node's module rules). */
interface Engine {
  /** What makes tokens of words. */
  model: object
  encode(text: string, options: { add_special_tokens: boolean }): { ids: ArrayLike<number> }
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: false }): string
  id_to_token(id: number): string | undefined
}
const { Tokenizer: EngineClass } = engines as unknown as { Tokenizer: new (json: object, config: object) => Engine }

/** Text to token ids and back, by a model folder's `tokenizer.json`, or by what a GGUF file says. */
export class Tokenizer {
  private constructor(
    private readonly engine: Engine,
    /** Ids go from 0 to below this. */
    readonly size: number,
    /** Whether `decode` takes spaces before punctuation out, as tokenizer_config.json says; unless it does, transformers has
     *  left them where they are since 4.46, and so does this. */
    readonly cleansUp: boolean,
    private readonly special: ReadonlySet<string>,
    /** The token that stands for pieces of a text which have none. */
    readonly unknown: string | undefined,
    /** Rows of the model's embedding. */
    private readonly rows: number,
  ) {}

  /** @param vocabulary  rows of the model's embedding: a tokenizer with a larger id is refused, unless only tokens that were
   *                      added to it have one, which do no harm until a text holds them
   *  @throws Failure InvalidInput */
  static open(folder: string, vocabulary = Infinity): Tokenizer {
    const gguf = ggufOf(folder)
    const { file, json, config, size, own, engine } = gguf === undefined ? ofFiles(folder) : ofGguf(gguf)
    if (own > vocabulary)
      throw new Failure(
        'InvalidInput',
        `${file} has token ids up to ${own - 1}, but the model has ${vocabulary} tokens`,
        {
          file,
          remedy: 'Use the tokenizer that belongs to the model.',
        },
      )
    try {
      const { clean_up_tokenization_spaces: cleansUp } = config as { clean_up_tokenization_spaces?: boolean }
      const special = specialTokens(json, config)
      return new Tokenizer(engine(), size, cleansUp === true, special, unknownToken(json), vocabulary)
    } catch (error) {
      throw new Failure('InvalidInput', `${file} is not supported: ${(error as Error).message}`, {
        file,
        cause: error,
        remedy: 'Use a tokenizer.json written by the library `tokenizers`.',
      })
    }
  }

  /** Token ids, with the special tokens that the tokenizer adds (a leading `<s>`, for instance) unless told otherwise.
   *  @throws Failure InvalidInput for a text that is too long, or has a token that the model has no row for */
  encode(text: string, { special = true } = {}): number[] {
    let ids: number[]
    try {
      ids = Array.from(this.engine.encode(text, { add_special_tokens: special }).ids, Number)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new Failure('InvalidInput', `a text of ${text.length} characters is too long for the tokenizer`, {
        cause: error,
        remedy: 'Split it, or add line breaks: the tokenizer reads text without them at once.',
      })
    }
    const beyond = ids.find((id) => id >= this.rows)
    if (beyond === undefined) return ids
    throw new Failure(
      'InvalidInput',
      `the text has the token ${JSON.stringify(this.engine.id_to_token(beyond))} (id ${beyond}), but the model's embedding has ${this.rows} rows`,
      { remedy: 'Remove the token from the text, or use a model that was trained with it.' },
    )
  }

  /** Whether a piece of a text had no token. */
  hasUnknown(ids: readonly number[]): boolean {
    return this.unknown !== undefined && ids.some((id) => this.engine.id_to_token(id) === this.unknown)
  }

  /** Text of ids, without those that have no token; special tokens left out unless told otherwise.
   *  @param clean  whether spaces before punctuation are taken out; default: `cleansUp` */
  decode(ids: readonly number[], { special = false, clean = this.cleansUp } = {}): string {
    const known = ids.filter((id) => this.engine.id_to_token(id) !== undefined)
    // The engine refuses an empty list.
    if (known.length === 0) return ''
    const text = this.engine.decode(known, { skip_special_tokens: !special, clean_up_tokenization_spaces: false })
    return clean ? cleanUp(text) : text
  }

  /** Whether `decode` leaves an id out, whatever is around it: special tokens, and ids without a token. */
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

/** A tokenizer before it is made. */
interface Source {
  readonly file: string
  /** tokenizer.json, perhaps without its tokens, and tokenizer_config.json. */
  readonly json: object
  readonly config: object
  readonly size: number
  /** The same, of tokens that were not added to it later. */
  readonly own: number
  /** @throws Error where the library does not support it */
  readonly engine: () => Engine
}

function ofFiles(folder: string): Source {
  const { file, json, config } = tokenizerFiles(folder)
  const [own, added] = largestIds(json)
  return {
    file,
    json,
    config,
    size: Math.max(own, added) + 1,
    own: own + 1,
    engine: () => fitted(new EngineClass(json, config)),
  }
}

/** The library's tokenizer, fit for long texts. */
function fitted(engine: Engine, rank?: Rank): Engine {
  const model = engine.model as { readonly trie?: object; readonly bpe_ranks?: ReadonlyMap<string, number> }
  if (model.trie) fitUnigram(model as unknown as Unigram)
  else if (model.bpe_ranks) {
    const ranks = model.bpe_ranks
    fitLongWords(model as unknown as Bpe, rank ?? ((left, right) => ranks.get(JSON.stringify([left, right]))))
  }
  return engine
}

function ofGguf(file: string): Source {
  const { tokens, merges, frame, config } = ggufTokenizer(file)
  const engine = (): Engine => {
    if (!merges) return fitted(new EngineClass(frame, config))
    const made = new EngineClass({ ...frame, model: { ...frame.model, vocab: {}, merges: [] } }, config)
    made.model = rankedBpe(frame.model, { ...tokens, rank: merges.rank })
    return fitted(made, merges.rank)
  }
  return { file, json: frame, config, size: tokens.texts.length, own: tokens.texts.length, engine }
}

/** Of a tokenizer's own tokens, and of those that were added to it; -1 where there are none. */
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
  let own = -1
  for (const [text, id] of ids) if (id > own && !later.has(text)) own = id
  return [own, added.reduce((most, { id }) => Math.max(most, id), -1)]
}
