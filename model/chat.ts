import * as engine from '@huggingface/jinja'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, Script } from 'node:vm'
import { ggufOf } from './gguf/read.js'
import { tokenizerConfig } from './special-tokens.js'
import { ggufTokenizerConfig } from './gguf/read-tokenizer.js'
import { Failure } from '../plugins/api/index.js'

/** What is used of the library (its own types do not resolve under Node's module rules). */
interface Engine {
  readonly Template: new (text: string) => { readonly parsed: object }
  readonly Environment: new () => { set(name: string, value: unknown): void }
  readonly Interpreter: new (environment: object) => { run(parsed: object): { readonly value: string } }
}
const jinja = engine as unknown as Engine

/** A turn of a conversation. Further fields reach the template as they are. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else the model's template knows. */
  readonly role: string
  readonly content: string
  readonly [field: string]: unknown
}

export interface RenderOptions {
  /** Whether the text ends where the assistant begins to speak. Default: no. */
  readonly addGenerationPrompt?: boolean
  /** What templates that ask for the date get (its parts in UTC). Default: 26 July 2024, so that a text is the same on every day. */
  readonly now?: Date
}

export interface ChatOptions {
  /** Which of several named templates. Default: `default`. */
  readonly template?: string
}

// A folder may come from anybody: what its template may take is bounded.
const mostBytes = 1 << 20
const longestRange = 100_000
const mostMilliseconds = 5_000

/** A model's own way of writing a conversation: its Jinja chat template. */
export class ChatTemplate {
  private constructor(
    private readonly parsed: object,
    /** The file that it stands in. */
    readonly file: string,
    private readonly specialTokens: Readonly<Record<string, string>>,
  ) {}

  /** The template of a model's folder: chat_template.jinja, or `chat_template` in tokenizer_config.json (one, or a list of named ones).
   *  @throws Failure InvalidInput naming the file */
  static open(folder: string, { template: name = 'default' }: ChatOptions = {}): ChatTemplate {
    const gguf = ggufOf(folder)
    const config = gguf === undefined ? tokenizerConfig(folder) : ggufTokenizerConfig(gguf)
    const { file, text } = templateText(folder, config, name, gguf)
    try {
      return new ChatTemplate(new jinja.Template(text).parsed, file, specialTokens(config))
    } catch (error) {
      throw new Failure('InvalidInput', `${file}: the chat template cannot be read: ${(error as Error).message}`, {
        file,
        cause: error,
        remedy: 'Use the chat template that belongs to the model.',
      })
    }
  }

  /** A conversation as text, special tokens written out: it is to be encoded without adding any (`{ special: false }`).
   *  @throws Failure InvalidInput naming the template's file, for instance when the template refuses the order of roles */
  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = false, now = new Date(Date.UTC(2024, 6, 26)) } = options
    const variables: Record<string, unknown> = {
      ...this.specialTokens,
      messages,
      add_generation_prompt: addGenerationPrompt,
      tools: null,
      documents: null,
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      range: boundedRange,
      strftime_now: (format: string) => formatDate(now, format),
      raise_exception: (message: string) => {
        throw new Refusal(message)
      },
    }
    try {
      // Not `Template.render`: its own globals have the clock and ranges without bounds.
      const environment = new jinja.Environment()
      for (const [name, value] of Object.entries(variables)) environment.set(name, value)
      return bounded(() => new jinja.Interpreter(environment).run(this.parsed).value)
    } catch (error) {
      const { message } = error as Error
      const refused = error instanceof Refusal
      throw new Failure(
        'InvalidInput',
        `${this.file}: the chat template ${refused ? 'refuses the messages' : 'fails'}: ${message}`,
        {
          file: this.file,
          cause: error,
          remedy: refused
            ? 'Give messages in an order and with roles that the model knows.'
            : 'Use the chat template that belongs to the model; templates get messages, add_generation_prompt and the special tokens.',
        },
      )
    }
  }
}

/** A conversation as a model's text, by the chat template of its folder: to be encoded with `{ special: false }`.
 *  @throws Failure InvalidInput naming the file */
export function renderChat(
  folder: string,
  messages: readonly ChatMessage[],
  options: RenderOptions & ChatOptions = {},
): string {
  return ChatTemplate.open(folder, options).render(messages, options)
}

/** What is wrong with a value that should be messages; undefined when it is `[{role, content}, …]`. */
export function messagesProblem(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'has "messages" that are not a list'
  if (value.length === 0) return 'has no messages in "messages"'
  for (const [i, message] of (value as unknown[]).entries()) {
    const { role, content } = (message ?? {}) as Partial<Record<string, unknown>>
    if (typeof role !== 'string' || role === '') return `has a message (number ${i + 1}) without a "role" that is text`
    if (typeof content !== 'string') return `has a message (number ${i + 1}) without a "content" that is text`
  }
  return undefined
}

/** What a template said with `raise_exception`. */
class Refusal extends Error {}

function templateText(folder: string, config: Readonly<Record<string, unknown>>, name: string, gguf?: string) {
  const own = join(folder, 'chat_template.jinja')
  const shared = gguf ?? join(folder, 'tokenizer_config.json')
  const remedy =
    gguf === undefined
      ? `Put the template of the instruct model into ${own}, or give texts instead of messages.`
      : 'Use the GGUF file of an instruct model, or give texts instead of messages.'
  const refuse = (file: string, message: string, what = remedy) =>
    new Failure('InvalidInput', `${file}: ${message}`, { file, remedy: what })
  const checked = (file: string, text: string) => {
    if (Buffer.byteLength(text) > mostBytes) throw refuse(file, `the chat template has more than ${mostBytes} bytes`)
    return { file, text }
  }
  // As transformers does it: the file goes before the field.
  if (name === 'default' && gguf === undefined && existsSync(own)) {
    if (statSync(own).size > mostBytes) throw refuse(own, `the chat template has more than ${mostBytes} bytes`)
    return checked(own, readFileSync(own, 'utf8'))
  }
  const { chat_template: given } = config
  if (typeof given === 'string' && name === 'default') return checked(shared, given)
  if (given === undefined || given === null || typeof given === 'string')
    throw refuse(folder, `has no chat template${name === 'default' ? '' : ` "${name}"`}`)
  const named = Array.isArray(given) ? (given as ({ name?: unknown; template?: unknown } | null)[]) : []
  if (named.length === 0 || named.some((entry) => typeof entry?.template !== 'string'))
    throw refuse(shared, '"chat_template" is neither a template nor a list of {name, template}')
  const found = named.find((entry) => entry!.name === name)
  if (!found) {
    const names = named.map((entry) => `"${String(entry!.name)}"`).join(', ')
    throw refuse(shared, `has no chat template "${name}"`, `It has ${names}.`)
  }
  return checked(shared, found.template as string)
}

/** `bos_token` and its like: text, or {content}. */
function specialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const tokens: Record<string, string> = {}
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith('_token')) continue
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null)?.content
    if (typeof text === 'string') tokens[key] = text
  }
  return tokens
}

const context = createContext({ work: undefined as (() => string) | undefined })
const script = new Script('work()')

/** Ends work that does not end: a template is a program. */
function bounded(work: () => string): string {
  context.work = work
  try {
    return script.runInContext(context, { timeout: mostMilliseconds }) as string
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new Error(`it does not end in ${mostMilliseconds / 1000} s`)
    throw error
  } finally {
    context.work = undefined
  }
}

function boundedRange(first: number, end?: number, step = 1): number[] {
  const [from, to] = end === undefined ? [0, first] : [first, end]
  const count = Math.max(0, Math.ceil((to - from) / step))
  if (!(count <= longestRange)) throw new Error(`range() of ${count} numbers`)
  return Array.from({ length: count }, (_, i) => from + i * step)
}

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

/** The part of strftime that templates use, in English whatever the machine's language. */
function formatDate(date: Date, format: string): string {
  const [day, month] = [days[date.getUTCDay()]!, months[date.getUTCMonth()]!]
  const two = (n: number) => String(n).padStart(2, '0')
  const parts: Readonly<Record<string, string>> = {
    Y: String(date.getUTCFullYear()),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    H: two(date.getUTCHours()),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    '%': '%',
  }
  return format.replace(/%(.)/g, (whole, letter: string) => parts[letter] ?? whole)
}
