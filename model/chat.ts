import { join } from 'node:path'
import { chatTemplates, type TemplateText } from './chat-files.js'
import { ggufOf } from './gguf/read.js'
import { tokenizerConfig } from './special-tokens.js'
import { ggufTokenizerConfig } from './gguf/read-tokenizer.js'
import { modelFile } from './model-files.js'
import { JinjaError } from './jinja/errors.js'
import { fromJs } from './jinja/json.js'
import { Template } from './jinja/template.js'
import { Dict, List, type Value } from './jinja/values.js'
import { Failure } from '../api/index.js'

/** A message of a conversation. Its fields reach the template unchanged; null fields are left out. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or another role that the model's template supports. */
  readonly role: string
  /** Text, a list of parts (`{type: 'text', text}`), or whatever the template accepts, such as null next to `tool_calls`. */
  readonly content?: unknown
  readonly [field: string]: unknown
}

/** What a template receives besides the messages. Parse JSON with `exactJson` to keep numbers that JavaScript would change. */
export interface RenderOptions {
  /** Whether the text ends with the start of the assistant's answer. @default false */
  readonly addGenerationPrompt?: boolean
  /** Tools that the model may call. They select the template named `tool_use`, if there is one. @default none */
  readonly tools?: readonly unknown[] | undefined
  /** Documents for retrieval-augmented generation. @default none */
  readonly documents?: readonly unknown[] | undefined
  /** Further variables, such as `enable_thinking`. @default none */
  readonly variables?: Readonly<Record<string, unknown>> | undefined
  /** Date for templates that ask for it, in UTC. @default 26 July 2024, so that the text does not depend on the day */
  readonly now?: Date
}

/** Which chat template to use. */
export interface ChatOptions {
  /** Name of the template. @default `tool_use` if there are tools and such a template, else `default` */
  readonly template?: string
}

/** The model has no chat template, as base models do. */
export class NoChatTemplate extends Failure {}

/** A model's Jinja chat template, which turns a conversation into text.
 *  @source https://huggingface.co/docs/transformers/chat_templating */
export class ChatTemplate {
  private readonly compiled = new Map<TemplateText, Template>()

  private constructor(
    private readonly folder: string,
    private readonly templates: ReadonlyMap<string, TemplateText>,
    private readonly name: string | undefined,
    private readonly specialTokens: Readonly<Record<string, string>>,
    private readonly remedy: string,
  ) {
    this.compile(this.chosen(false))
  }

  /** Opens the template of a model's folder or GGUF file, where transformers would find it.
   *  @throws NoChatTemplate naming the file, if it has no such template
   *  @throws Failure InvalidInput naming the file, if the template cannot be read */
  static open(folder: string, { template }: ChatOptions = {}): ChatTemplate {
    const gguf = ggufOf(folder)
    const file = gguf ?? modelFile(folder, 'tokenizer_config.json')
    const config = gguf === undefined ? tokenizerConfig(folder) : ggufTokenizerConfig(gguf)
    const remedy =
      gguf === undefined
        ? `Put the template of the instruct model into ${join(folder, 'chat_template.jinja')}, or give texts instead of messages.`
        : 'Use the GGUF file of an instruct model, or give texts instead of messages.'
    return new ChatTemplate(folder, chatTemplates(folder, config, file), template, specialTokens(config), remedy)
  }

  /** Path of the file that contains the template. */
  get file(): string {
    return this.chosen(false).file
  }

  /** Renders a conversation as text that includes special tokens: encode it with `{ special: false }`.
   *  @throws Failure InvalidInput naming the template's file, for instance if the template refuses the order of roles */
  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = false, now = new Date(Date.UTC(2024, 6, 26)) } = options
    const { tools, documents, variables = {} } = options
    const template = this.chosen(tools !== undefined)
    return this.attempt(template.file, () =>
      this.compile(template).render(
        Object.entries({
          ...this.specialTokens,
          ...variables,
          messages: new List(messages.map(messageOf)),
          tools,
          documents,
          add_generation_prompt: addGenerationPrompt,
        }).map(([name, value]) => [name, fromJs(value)] as const),
        now,
      ),
    )
  }

  private chosen(withTools: boolean): TemplateText {
    const name = this.name ?? (withTools && this.templates.has('tool_use') ? 'tool_use' : 'default')
    const found = this.templates.get(name)
    if (found) return found
    const [first] = this.templates.values()
    const source = first ? (first.file.endsWith('.jinja') ? this.folder : first.file) : this.folder
    const names = [...this.templates.keys()].map((one) => `"${one}"`).join(', ')
    const message = first || this.name !== undefined ? `has no chat template "${name}"` : 'has no chat template'
    throw new NoChatTemplate('InvalidInput', `${source}: ${message}`, {
      file: source,
      remedy: first ? `It has ${names}.` : this.remedy,
    })
  }

  private compile(template: TemplateText): Template {
    let made = this.compiled.get(template)
    if (!made) {
      made = this.attempt(template.file, () => new Template(template.text))
      this.compiled.set(template, made)
    }
    return made
  }

  /** @throws Failure if the template is wrong */
  private attempt<T>(file: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof JinjaError)) throw error
      const { kind, said, line } = error
      const [what, remedy] = faults[kind]
      const where = line === undefined || kind === 'raised' ? '' : ` (line ${line})`
      throw new Failure('InvalidInput', `${file}: the chat template ${what}: ${said}${where}`, {
        file,
        cause: error,
        remedy,
      })
    }
  }
}

const ownTemplate = 'Use the chat template that belongs to the model.'
const faults: Readonly<Record<JinjaError['kind'], readonly [what: string, remedy: string]>> = {
  syntax: ['cannot be read', ownTemplate],
  raised: ['refuses the messages', 'Give messages in an order and with roles that the model knows.'],
  python: [
    'fails',
    `${ownTemplate} Templates get messages, tools, documents, add_generation_prompt and the special tokens, as in transformers.`,
  ],
  unsupported: ['cannot be rendered', 'Rewrite that line, or give texts instead of messages.'],
  bound: ['was stopped', ownTemplate],
}

/** Renders a conversation with the chat template of a model's folder or GGUF file: encode the text with `{ special: false }`.
 *  @throws Failure InvalidInput naming the file */
export function renderChat(
  folder: string,
  messages: readonly ChatMessage[],
  options: RenderOptions & ChatOptions = {},
): string {
  return ChatTemplate.open(folder, options).render(messages, options)
}

/** Fields for a message's reasoning, by precedence. */
const reasonings = ['reasoning_content', 'thinking', 'reasoning']

/** Converts a message as transformers does for templates: without null fields, and with the reasoning under every name
 *  that templates use. */
function messageOf(message: ChatMessage): Dict {
  const fields = new Map<Value, Value>()
  const given = fromJs(message)
  for (const [key, value] of given instanceof Dict ? given.pairs() : []) if (value !== null) fields.set(key, value)
  const reasoning = reasonings.map((name) => fields.get(name)).find((value) => value !== undefined)
  if (reasoning === undefined) return new Dict(fields)
  return new Dict([['thinking', reasoning], ...fields, ['reasoning_content', reasoning]])
}

/** Returns what is wrong with a value that should be messages; undefined if it is `[{role, content}, …]`. */
export function messagesProblem(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'has "messages" that are not a list'
  if (value.length === 0) return 'has no messages in "messages"'
  for (const [i, message] of (value as unknown[]).entries()) {
    const { role, content, tool_calls: calls } = (message ?? {}) as Partial<Record<string, unknown>>
    if (typeof role !== 'string' || role === '') return `has a message (number ${i + 1}) without a "role" that is text`
    if ((content === undefined || content === null) && Array.isArray(calls)) continue
    if (typeof content !== 'string' && (typeof content !== 'object' || content === null))
      return `has a message (number ${i + 1}) without a "content" that is text, or a list of parts`
  }
  return undefined
}

/** Reads `bos_token` and similar fields, which are text or {content}. */
function specialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const tokens: Record<string, string> = {}
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith('_token')) continue
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null)?.content
    if (typeof text === 'string') tokens[key] = text
  }
  return tokens
}
