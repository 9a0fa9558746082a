import { ChatTemplate, Tokenizer, type ChatMessage, type RenderOptions } from '../model/index.js'
import { Failure } from '../api/index.js'
import { lookAt } from '../data/data-file.js'
import { placed, readDocuments, type Document } from '../data/documents.js'
import { readLines } from '../data/text-files.js'
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

type TextDocument = Extract<Document, { readonly kind: 'text' }>

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
  let tokenizer: Tokenizer | undefined
  let template: ChatTemplate | undefined
  let unknown = 0
  const encode = (text: string, bad: TextDocument['bad'], special = true) => {
    const opened = (tokenizer ??= Tokenizer.open(folder, vocabulary))
    const ids = placed(bad, () => opened.encode(text, { special }))
    if (tokenizer.hasUnknown(ids)) unknown++
    return ids
  }
  const encodeChat = (messages: readonly ChatMessage[], bad: TextDocument['bad'], extras: RenderOptions = {}) => {
    template ??= ChatTemplate.open(folder)
    // The template writes special tokens itself.
    return encode(template.render(messages, { ...extras, addGenerationPrompt: true }), bad, false)
  }
  const before = system === undefined ? [] : [{ role: 'system', content: system }]
  const ids: (readonly number[])[] = []
  for await (const document of documents(options, vocabulary)) {
    if (document.kind === 'empty') throw document.bad('has a prompt that is null or empty', 'Leave it out.')
    if (document.kind === 'ids') ids.push(document.ids)
    else if (document.kind === 'messages') ids.push(encodeChat(document.messages, document.bad, document.extras))
    else if (!chat) ids.push(encode(document.text, document.bad))
    else ids.push(encodeChat([...before, { role: 'user', content: document.text }], document.bad))
  }
  if (ids.length === 0)
    throw new Failure('InvalidInput', `${options.prompts} holds no prompt`, {
      file: options.prompts!,
      remedy: 'Give a .txt file with one prompt per line, or a .jsonl file with {"text": "…"} lines.',
    })
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

async function* documents({ prompt, tokens, prompts }: PromptOptions, vocabulary: number): AsyncGenerator<Document> {
  for (const [i, text] of prompt.entries())
    yield { kind: 'text', text, bad: inPrompt(prompt.length === 1 ? 'The prompt' : `Prompt ${i + 1}`) }
  for (const text of tokens) yield { kind: 'ids', ids: text.split(',').map((id) => tokenId(id, text)) }
  if (prompts === undefined) return
  if (lookAt(prompts).kind !== 'text') yield* readDocuments({ path: prompts }, vocabulary)
  else
    for await (const { text, line } of readLines(prompts, 'One prompt per line, in UTF-8.'))
      if (text.trim() !== '') yield { kind: 'text', text, bad: inPrompt(`${prompts}:${line}`) }
}

/** Says where a text is at fault. */
const inPrompt =
  (place: string) =>
  (message: string, remedy?: string): Failure =>
    new Failure('InvalidInput', `${place}: ${message}`, remedy === undefined ? {} : { remedy })

function tokenId(text: string, all: string): number {
  if (!/^\s*\d+\s*$/.test(text))
    throw new Failure('InvalidInput', `--tokens "${all}": "${text}" is not a token id`, {
      remedy: 'Give whole numbers separated by commas: --tokens 1,2,3.',
    })
  return Number(text)
}
