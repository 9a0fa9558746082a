import type { ChatMessage, Tokenizer } from '../model/index.js'
import { Failure } from '../api/index.js'
import { DocumentEncoder, placed, type Document } from '../data/documents.js'
import { noPrompts, promptAt, readPrompts as readPromptFile, requireGiven } from '../data/prompts.js'
import { log } from './output.js'

/** Where prompts come from. */
export interface PromptOptions {
  readonly prompt: readonly string[]
  readonly tokens: readonly string[]
  /** A file with prompts. */
  readonly prompts?: string
  readonly chat?: boolean
  readonly system?: string
}

/** Prompts as token ids, and what they were made with: undefined where there were ids only. */
export interface Prompts {
  readonly ids: readonly (readonly number[])[]
  readonly tokenizer: Tokenizer | undefined
}

/** Prompts of the command line or of a file.
 *  @throws Failure InvalidInput for one that is empty, too long, or has tokens that the model does not know */
export async function readPrompts(
  folder: string,
  { vocabulary, maxPositions }: { readonly vocabulary: number; readonly maxPositions: number },
  options: PromptOptions,
): Promise<Prompts> {
  const { chat, system } = options
  const encoder = new DocumentEncoder(folder, vocabulary)
  const before = system === undefined ? [] : [{ role: 'system', content: system }]
  const ids: (readonly number[])[] = []
  let tokenizer: Tokenizer | undefined
  let unknown = 0
  for await (const document of documents(options, vocabulary)) {
    requireGiven(document)
    ids.push(chat && document.kind === 'text' ? asChat(document, before, encoder) : encoder.encode(document, true))
    if (document.kind === 'ids') continue
    tokenizer = encoder.tokenizer
    if (tokenizer.hasUnknown(ids.at(-1)!)) unknown++
  }
  if (ids.length === 0) throw noPrompts(options.prompts!)
  ids.forEach((prompt, i) => check(prompt, ids.length === 1 ? 'The prompt' : `Prompt ${i + 1}`))
  if (unknown > 0) {
    const whose = ids.length === 1 ? 'The prompt has' : `${unknown} of ${ids.length} prompts have`
    log(`${whose} text that the tokenizer has no token for: the model reads ${tokenizer!.unknown} there.`)
  }
  return { ids, tokenizer }

  function check(prompt: readonly number[], name: string): void {
    const bad = (message: string, remedy: string) => new Failure('InvalidInput', `${name} ${message}`, { remedy })
    if (prompt.length === 0) throw bad('has no tokens', 'Give at least one.')
    const unknown = prompt.find((id) => !(id < vocabulary))
    if (unknown !== undefined)
      throw bad(
        `has the token ${unknown}, but the model’s tokens are 0 to ${vocabulary - 1}`,
        `Give --prompt TEXT, or --tokens with ids from 0 to ${vocabulary - 1}.`,
      )
    if (prompt.length >= maxPositions)
      throw bad(
        `has ${prompt.length} tokens, but the model has ${maxPositions} positions`,
        `Shorten it to at most ${maxPositions - 1} tokens.`,
      )
  }
}

/** Encodes a text as a user's message, after those before it. That there is no chat template is not the text's fault. */
function asChat(
  { text, bad }: Extract<Document, { readonly kind: 'text' }>,
  before: readonly ChatMessage[],
  encoder: DocumentEncoder,
): readonly number[] {
  const rendered = encoder.render({ messages: [...before, { role: 'user', content: text }], extras: {} }, true)
  return placed(bad, () => encoder.tokenizer.encode(rendered, { special: false }))
}

async function* documents({ prompt, tokens, prompts }: PromptOptions, vocabulary: number): AsyncGenerator<Document> {
  for (const [i, text] of prompt.entries())
    yield { kind: 'text', text, bad: promptAt(prompt.length === 1 ? 'The prompt' : `Prompt ${i + 1}`) }
  for (const text of tokens) yield { kind: 'ids', ids: text.split(',').map((id) => tokenId(id, text)) }
  if (prompts !== undefined) yield* readPromptFile(prompts, vocabulary)
}

function tokenId(text: string, all: string): number {
  if (!/^\s*\d+\s*$/.test(text))
    throw new Failure('InvalidInput', `--tokens "${all}": "${text}" is not a token id`, {
      remedy: 'Give whole numbers separated by commas: --tokens 1,2,3.',
    })
  return Number(text)
}
