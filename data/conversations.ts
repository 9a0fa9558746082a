import { exactJson, type ChatMessage } from '../model/index.js'
import { kindName, type DataRecord } from './json-records.js'
import { entryOf, shown } from '../errors/foreign.js'

type Bad = DataRecord['bad']

/** The values that a record passes to a chat template besides its messages. */
export interface ChatExtras {
  /** Tools that the model may call. */
  readonly tools?: readonly unknown[]
  /** Documents for retrieval-augmented generation. */
  readonly documents?: readonly unknown[]
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>
}

/** Columns that accompany messages. */
export const extraColumns = ['tools', 'documents', 'chat_template_kwargs'] as const

const shape = 'Messages are [{"role": "user", "content": "…"}, …].'

/** Roles by their names in ShareGPT. Other names are roles already. */
const speakers: Readonly<Record<string, string>> = { human: 'user', gpt: 'assistant' }
/** Roles that templates support. */
export const knownRoles = ['system', 'developer', 'user', 'assistant', 'tool']

/** Whether a value is a list of turns, in either format. */
export const isConversation = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && typeof value[0] === 'object' && value[0] !== null && !Array.isArray(value[0])

/**
 * Converts messages for chat templates, from {role, content} or ShareGPT's {from, value}. Parts of text stay separate.
 * @param name  the column that contains them
 * @throws Failure InvalidInput with the message's number, counted from 1
 */
export function messagesOf(value: unknown, name: string, bad: Bad): ChatMessage[] {
  if (!Array.isArray(value)) throw bad(`has "${name}" that are ${kindName(value)}, not a list of messages`, shape)
  if (value.length === 0) throw bad(`has no messages in "${name}"`, shape)
  return value.map((message: unknown, i): ChatMessage => {
    const wrong = (what: string, remedy = shape) => bad(`has a message (number ${i + 1}) ${what}`, remedy)
    if (typeof message !== 'object' || message === null) throw wrong(`that is ${kindName(message)}`)
    const { from, value: said, ...own } = message as Readonly<Record<string, unknown>>
    const isShared = from !== undefined && !('role' in own)
    const turn: Readonly<Record<string, unknown>> = isShared
      ? { ...own, role: roleOf(from, wrong), content: said }
      : { ...message }
    const { role, content, tool_calls: calls } = turn
    if (typeof role !== 'string' || role === '') throw wrong('without a "role" that is text')
    // A message may consist of tool calls only.
    if ((content ?? undefined) === undefined && Array.isArray(calls) && calls.length > 0)
      return { ...turn, role, content: null }
    return { ...turn, role, content: checkedContent(content, wrong) }
  })
}

function roleOf(from: unknown, wrong: (what: string, remedy: string) => Error): string {
  const role = typeof from === 'string' ? (entryOf(speakers, from) ?? from) : undefined
  if (role === undefined || !knownRoles.includes(role))
    throw wrong(
      `from ${shown(from)}, which is not a role`,
      'Known roles: human, gpt, system, user, assistant and tool. Write other turns as {"role": …, "content": …}.',
    )
  return role
}

function checkedContent(content: unknown, wrong: (what: string, remedy?: string) => Error): unknown {
  if (typeof content === 'string') return content
  if (!Array.isArray(content))
    throw wrong(content === null ? 'whose "content" is null' : 'without a "content" that is text')
  for (const part of content as readonly unknown[]) {
    const { type, text } = (part ?? {}) as Readonly<Record<string, unknown>>
    if (type !== 'text' || typeof text !== 'string')
      throw wrong(
        `with a part of type ${shown(type ?? null)} in its "content"`,
        'Parts are {"type": "text", "text": "…"}: only text is supported. Leave out records with images or sound.',
      )
  }
  return content
}

/** Returns the texts of a message's content, which is one text or a list of parts. */
export const textsOf = (content: unknown): string[] =>
  typeof content === 'string'
    ? [content]
    : Array.isArray(content)
      ? content.map((part: { readonly text: string }) => part.text)
      : []

/** Reads the columns that accompany messages. A list may also be given as its JSON.
 *  @throws Failure InvalidInput */
export function extrasOf(fields: DataRecord['fields'], bad: Bad): ChatExtras {
  const list = (name: 'tools' | 'documents') => {
    const given = fields[name] ?? undefined
    if (given === undefined || given === '') return {}
    const value = typeof given === 'string' ? parsed(given) : given
    if (!Array.isArray(value)) throw bad(`has "${name}" that are neither a list nor the JSON of one`)
    return value.length === 0 ? {} : { [name]: value as unknown[] }
  }
  const { chat_template_kwargs: variables } = fields
  if ((variables ?? undefined) !== undefined && (typeof variables !== 'object' || Array.isArray(variables)))
    throw bad(`has "chat_template_kwargs" that are ${kindName(variables)}, not an object`)
  return {
    ...list('tools'),
    ...list('documents'),
    ...(variables ? { variables: variables as Record<string, unknown> } : {}),
  }
}

function parsed(text: string): unknown {
  try {
    return exactJson(text)
  } catch {
    return undefined
  }
}
