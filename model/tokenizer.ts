import * as engines from '@huggingface/tokenizers'
import { Failure } from '../plugins/api/index.js'
import { tokenizerFiles } from './folder.js'

/** What is used of the library's tokenizer (its own types do not resolve under Node's module rules). */
interface Engine {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: ArrayLike<number> }
  decode(ids: number[], options: { skip_special_tokens: boolean }): string
}
const { Tokenizer: EngineClass } = engines as unknown as { Tokenizer: new (json: object, config: object) => Engine }

/** Text to token ids and back, by a model folder's `tokenizer.json`. */
export class Tokenizer {
  private constructor(
    private readonly engine: Engine,
    /** Ids go from 0 to below this. */
    readonly size: number,
  ) {}

  /** @param vocabulary  rows of the model's embedding: a tokenizer with a larger id is refused
   *  @throws Failure InvalidInput */
  static open(folder: string, vocabulary?: number): Tokenizer {
    const { file, json, config } = tokenizerFiles(folder)
    const size = largestId(json) + 1
    if (vocabulary !== undefined && size > vocabulary)
      throw new Failure(
        'InvalidInput',
        `${file} has token ids up to ${size - 1}, but the model knows ${vocabulary} tokens`,
        {
          file,
          remedy: 'Use the tokenizer that belongs to the model.',
        },
      )
    try {
      return new Tokenizer(new EngineClass(json, config), size)
    } catch (error) {
      throw new Failure('InvalidInput', `${file} is not supported: ${(error as Error).message}`, {
        file,
        cause: error,
        remedy: 'Use a tokenizer.json as the library `tokenizers` writes it.',
      })
    }
  }

  /** Token ids, with the special tokens that the tokenizer adds (a leading `<s>`, for instance) unless told otherwise. */
  encode(text: string, { special = true } = {}): number[] {
    return Array.from(this.engine.encode(text, { add_special_tokens: special }).ids, Number)
  }

  /** Text of ids, special tokens left out unless told otherwise. */
  decode(ids: readonly number[], { special = false } = {}): string {
    // The engine refuses an empty list.
    return ids.length === 0 ? '' : this.engine.decode([...ids], { skip_special_tokens: !special })
  }
}

function largestId(json: object): number {
  const { model, added_tokens: added = [] } = json as {
    model?: { vocab?: Record<string, number> | readonly unknown[] }
    added_tokens?: readonly { id: number }[]
  }
  let largest = -1
  const vocab = model?.vocab ?? {}
  if (Array.isArray(vocab)) largest = vocab.length - 1
  else for (const id of Object.values(vocab as Record<string, number>)) largest = Math.max(largest, id)
  for (const { id } of added) largest = Math.max(largest, id)
  return largest
}
