import { ChatTemplate, exactJson, Tokenizer, type ChatMessage } from '../model/index.js'
import { Failure } from '../api/index.js'
import { unreachable } from '../errors/unreachable.js'
import {
  extraColumns,
  extrasOf,
  isConversation,
  knownRoles,
  messagesOf,
  textsOf,
  type ChatExtras,
} from './conversations.js'
import { lookAt, type FileLook } from './data-file.js'
import { kindName, readJsonRecords, type DataRecord } from './json-records.js'
import { readParquetRows } from './parquet-rows.js'
import { readTableRows } from './table-rows.js'
import { readText } from './text-files.js'

/** A file with documents, as the spec's `data` names it. */
export interface DataFile {
  readonly path: string
  /** Field or column of the document. Default: the first of `mainColumns` that is there. */
  readonly column?: string
}

/** A document: text, token ids as they are, or a conversation; or a record without one, null or empty, which is counted. */
export type Document =
  | { readonly kind: 'text'; readonly text: string; readonly bad?: DataRecord['bad'] }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | {
      readonly kind: 'messages'
      readonly messages: readonly ChatMessage[]
      /** What the record has for the chat template beside them. */
      readonly extras: ChatExtras
      readonly bad: DataRecord['bad']
    }
  | { readonly kind: 'empty'; readonly bad: DataRecord['bad'] }

/** Most characters of a text file that are one document: longer files are divided. */
export const longestText = 16 * 2 ** 20

/** Columns that hold documents, the first of which that is there counts. */
const mainColumns = ['text', 'input_ids', 'messages', 'conversations', 'prompt'] as const

/** Documents of a file, whichever kind it is (docs/data.md). Held at once: a record, a row group, or `longestText` characters.
 *  @throws Failure InvalidInput with file and place */
export async function* readDocuments({ path, column }: DataFile, vocabulary: number): AsyncGenerator<Document> {
  const look = lookAt(path)
  if (look.kind === 'text') {
    if (column !== undefined)
      throw new Failure('InvalidInput', `${path}: is read as one text, and has no "${column}"`, {
        file: path,
        remedy:
          'Leave `column` out, or give the file the extension of its contents: .jsonl, .json, .csv, .tsv or .parquet.',
      })
    const bad: DataRecord['bad'] = (message, remedy) =>
      new Failure('InvalidInput', `${path}: ${message}`, { file: path, ...(remedy !== undefined && { remedy }) })
    for await (const text of readText(path, longestText, look))
      yield text === '' ? { kind: 'empty', bad } : { kind: 'text', text, bad }
    return
  }
  for await (const record of records(path, look, column)) yield documentOf(record, column, vocabulary)
}

function records(path: string, look: FileLook, column: string | undefined): AsyncGenerator<DataRecord> {
  const remedy =
    column === undefined
      ? 'Each record is {"text": "…"}, {"input_ids": […]} or {"messages": [{"role": "…", "content": "…"}]}.'
      : `Each record is {"${column}": …}: a text, token ids, or a list of {"role": "…", "content": "…"}.`
  if (look.kind === 'json') return readJsonRecords(path, remedy, look)
  if (look.kind === 'table') return readTableRows(path, remedy, look)
  const [main, beside] = column === undefined ? [mainColumns, besideColumns] : [[column], extraColumns]
  return readParquetRows(path, main, beside, (bad, has) => noDocument(bad, has, column))
}

/** What is read with a main column. */
const besideColumns = ['completion', 'attention_mask', ...extraColumns] as const

function documentOf(record: DataRecord, column: string | undefined, vocabulary: number): Document {
  const { fields, bad } = record
  const there = (column === undefined ? mainColumns : [column]).filter((name) => Object.hasOwn(fields, name))
  const name = there.find((own) => fields[own] !== null && fields[own] !== undefined)
  if (name === undefined) {
    if (there.length > 0) return { kind: 'empty', bad }
    throw noDocument(bad, Object.keys(fields), column, fields)
  }
  const value = fields[name]
  // A column that is named may hold any kind, unless its name says which.
  const kind = namedKinds.get(name) ?? (column === undefined ? 'prompt' : kindOfValue(value))
  switch (kind) {
    case 'text':
      return textDocument(value, name, bad)
    case 'ids':
      return idsDocument(value, name, fields, vocabulary, bad)
    case 'messages': {
      const exact = exactly(record)
      return { kind, messages: messagesOf(exact[name], name, bad), extras: extrasOf(exact, bad), bad }
    }
    case 'prompt':
      return promptDocument(record)
    case undefined:
      throw bad(`has a "${name}" that is ${kindName(value)}, neither a text, nor token ids, nor messages`)
  }
}

/** A record's fields with numbers as they are written: so they reach chat templates. */
const exactly = ({ fields, json }: DataRecord): DataRecord['fields'] =>
  json === undefined ? fields : (exactJson(json) as DataRecord['fields'])

type Kind = 'text' | 'ids' | 'messages' | 'prompt'
const namedKinds = new Map<string, Kind>([
  ['text', 'text'],
  ['input_ids', 'ids'],
  ['messages', 'messages'],
  ['conversations', 'messages'],
])

function kindOfValue(value: unknown): Kind | undefined {
  if (typeof value === 'string') return 'text'
  if (isConversation(value)) return 'messages'
  return Array.isArray(value) ? 'ids' : undefined
}

function textDocument(value: unknown, name: string, bad: DataRecord['bad']): Document {
  if (typeof value !== 'string') throw bad(`has a "${name}" that is ${kindName(value)}, not a text`)
  if (value === '') return { kind: 'empty', bad }
  if (value.includes('\0')) throw bad(`has a NUL character in its "${name}"`, 'Remove it.')
  return { kind: 'text', text: value, bad }
}

function idsDocument(
  value: unknown,
  name: string,
  { attention_mask: mask }: DataRecord['fields'],
  vocabulary: number,
  bad: DataRecord['bad'],
): Document {
  if (!Array.isArray(value)) throw bad(`has "${name}" that are ${kindName(value)}, not a list of token ids`)
  const wrong = value.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary))
  if (wrong !== -1)
    throw bad(
      `has ${JSON.stringify(value[wrong])} in its "${name}" (number ${wrong + 1}), which is not a token id of the model`,
      `Its ids are whole numbers from 0 to ${vocabulary - 1}.`,
    )
  let ids = value as number[]
  if (name === 'input_ids' && Array.isArray(mask)) {
    if (mask.length !== ids.length)
      throw bad(`has ${ids.length} "input_ids" and ${mask.length} in its "attention_mask"`)
    // Padding is not text.
    ids = ids.filter((_, i) => mask[i] !== 0 && mask[i] !== false)
  }
  return ids.length === 0 ? { kind: 'empty', bad } : { kind: 'ids', ids }
}

/** `prompt` and `completion` are one text, or one conversation, as TRL takes them. */
function promptDocument(record: DataRecord): Document {
  const { fields, bad } = record
  const { prompt, completion } = fields
  if (completion === undefined) throw noDocument(bad, Object.keys(fields), undefined, fields)
  if (completion === null) return { kind: 'empty', bad }
  if (typeof prompt === 'string' && typeof completion === 'string')
    return textDocument(prompt + completion, 'completion', bad)
  if (isConversation(prompt) && isConversation(completion)) {
    const exact = exactly(record)
    const messages = [...messagesOf(exact.prompt, 'prompt', bad), ...messagesOf(exact.completion, 'completion', bad)]
    return { kind: 'messages', messages, extras: extrasOf(exact, bad), bad }
  }
  throw bad(`has a "prompt" that is ${kindName(prompt)} and a "completion" that is ${kindName(completion)}`, both)
}

const both = 'Both must be text, or both lists of messages.'

/** Nothing in a record, or in the columns of a table, is a document. */
function noDocument(
  bad: DataRecord['bad'],
  has: readonly string[],
  column: string | undefined,
  fields: DataRecord['fields'] = {},
): Failure {
  const shown = has.slice(0, 20).map((name) => JSON.stringify(name.slice(0, 80)))
  const columns = has.length === 0 ? 'nothing' : shown.join(', ') + (has.length > 20 ? ', …' : '')
  const lists = has.filter((name) => isListOfRecords(fields[name]))
  const wanted =
    column === undefined
      ? '"text", "input_ids", "messages", "conversations", or "prompt" with "completion"'
      : JSON.stringify(column)
  return bad(`has no ${wanted}: it has ${columns}`, remedyFor(has, column, lists))
}

const isListOfRecords = (value: unknown) =>
  isConversation(value) && !('role' in (value[0] as object)) && !('from' in (value[0] as object))

function remedyFor(has: readonly string[], column: string | undefined, lists: readonly string[]): string {
  if (lists.length > 0 && column === undefined)
    return `Give its list alone: \`jq -c '.${lists[0]}[]' FILE > ${lists[0]}.jsonl\`.`
  if (has.includes('role') && has.includes('content'))
    return 'Put the turns of a conversation into one {"messages": […]}.'
  if (has.includes('instruction') && has.includes('output'))
    return 'Write instruction and input as "prompt" and output as "completion", as the model is to see them; or all as "messages".'
  const answer = ['completion', 'response', 'answer', 'output'].find((name) => has.includes(name))
  const question = ['prompt', 'question', 'query', 'instruction', 'input'].find((name) => has.includes(name))
  if (answer !== undefined && question !== undefined)
    return `Rename "${question}" to "prompt" and "${answer}" to "completion", or write both as "messages".`
  return 'Name the column with the text: `column: NAME` beside `path` in a spec, --column NAME for evaluate; or rename it to "text".'
}

/** Token ids of documents by a model's folder. What is needed for it is opened when it is first met: token ids need no
 *  tokenizer, texts no chat template. */
export class DocumentEncoder {
  private opened: Tokenizer | undefined
  private template: ChatTemplate | undefined

  constructor(
    private readonly folder: string,
    private readonly vocabulary: number,
  ) {}

  /** @throws Failure InvalidInput */
  get tokenizer(): Tokenizer {
    return (this.opened ??= Tokenizer.open(this.folder, this.vocabulary))
  }

  /** @throws Failure InvalidInput, with file and place where it is the document's or the chat template's fault */
  encode(document: Document): readonly number[] {
    switch (document.kind) {
      case 'empty':
        return []
      case 'ids':
        return document.ids
      case 'text': {
        // A tokenizer that cannot be opened is not the document's fault.
        const { tokenizer } = this
        return placed(document.bad, () => tokenizer.encode(document.text))
      }
      case 'messages': {
        const { tokenizer } = this
        // The template has written the special tokens.
        return placed(document.bad, () => tokenizer.encode(this.render(document), { special: false }))
      }
      default:
        return unreachable(document)
    }
  }

  private render({ messages, extras }: Extract<Document, { readonly kind: 'messages' }>): string {
    this.template ??= ChatTemplate.open(this.folder)
    const text = this.template.render(messages, extras)
    // Templates pass over roles that they do not know, and say nothing.
    for (const [i, { role, content }] of messages.entries())
      if (!knownRoles.includes(role) && textsOf(content).some((said) => !text.includes(said.trim())))
        throw new Failure(
          'InvalidInput',
          `has a message (number ${i + 1}) of the role "${role}", which the chat template leaves out`,
          { remedy: 'Rename the role to one that the model knows: system, user, assistant or tool.' },
        )
    return text
  }
}

/** What is wrong with a document is said with its place. */
export function placed<T>(bad: DataRecord['bad'] | undefined, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Failure) || !bad) throw error
    throw bad(error.message, error.remedy)
  }
}
