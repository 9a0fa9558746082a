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
import { shown } from '../errors/foreign.js'

/** A file with documents, from the spec's `data`. */
export interface DataFile {
  readonly path: string
  /** Field or column with the document. @default the first of `text`, `input_ids`, `messages`, `conversations` and `prompt` that
   *  the file has */
  readonly column?: string
}

/** A document: text, token ids, or a conversation. A null or empty record is only counted. */
export type Document =
  | { readonly kind: 'text'; readonly text: string; readonly bad?: DataRecord['bad'] }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | {
      readonly kind: 'messages'
      readonly messages: readonly ChatMessage[]
      /** Further values of the record for the chat template. */
      readonly extras: ChatExtras
      readonly bad: DataRecord['bad']
    }
  | { readonly kind: 'empty'; readonly bad: DataRecord['bad'] }

/** Largest number of characters of a text file that form one document. Longer files are divided. */
export const longestText = 16 * 2 ** 20

/** Columns for documents. The first of them that exists counts. */
const mainColumns = ['text', 'input_ids', 'messages', 'conversations', 'prompt'] as const

/** Reads the documents of a file in any supported format (docs/data.md). Memory holds one record, one row group, or
 *  `longestText` characters at a time.
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

/** Columns that are read together with a main column. */
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
  // A column that the user names may hold any kind of document, unless its name determines the kind.
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

/** A record's fields for chat templates, with numbers exactly as they are written. */
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
      `has ${shown(value[wrong])} in its "${name}" (number ${wrong + 1}), which is not a token id of the model`,
      `Its ids are whole numbers from 0 to ${vocabulary - 1}.`,
    )
  let ids = value as number[]
  if (name === 'input_ids' && Array.isArray(mask)) {
    if (mask.length !== ids.length)
      throw bad(`has ${ids.length} "input_ids" and ${mask.length} in its "attention_mask"`)
    // Removes padding.
    ids = ids.filter((_, i) => mask[i] !== 0 && mask[i] !== false)
  }
  return ids.length === 0 ? { kind: 'empty', bad } : { kind: 'ids', ids }
}

/** Joins `prompt` and `completion` to one text or one conversation, as TRL does. */
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

/** Creates the error for a record, or a table, without a document. */
function noDocument(
  bad: DataRecord['bad'],
  has: readonly string[],
  column: string | undefined,
  fields: DataRecord['fields'] = {},
): Failure {
  const names = has.slice(0, 20).map(shown)
  const columns = has.length === 0 ? 'nothing' : names.join(', ') + (has.length > 20 ? ', …' : '')
  const lists = has.filter((name) => isListOfRecords(fields[name]))
  const wanted =
    column === undefined
      ? '"text", "input_ids", "messages", "conversations", or "prompt" with "completion"'
      : shown(column)
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

/** Converts documents to token ids with the files of a model's folder. These are opened only when a document needs them: token
 *  ids need no tokenizer, texts no chat template. */
export class DocumentEncoder {
  private opened: Tokenizer | undefined
  private template: ChatTemplate | undefined

  constructor(
    private readonly folder: string,
    private readonly vocabulary: number,
  ) {}

  /** Opens the tokenizer. @throws Failure InvalidInput if it is missing or not supported */
  get tokenizer(): Tokenizer {
    return (this.opened ??= Tokenizer.open(this.folder, this.vocabulary))
  }

  /** The tokens that the tokenizer puts at the beginning of a text; none where there is no tokenizer, which token ids do not
   *  need. */
  get begin(): readonly number[] {
    try {
      return this.tokenizer.begin
    } catch (error) {
      if (error instanceof Failure) return []
      throw error
    }
  }

  /** Encodes a document.
   *  @param asPrompt  whether a conversation goes on with the model's answer, as its chat template begins one
   *  @throws Failure InvalidInput, with file and place if the document or the chat template is to blame */
  encode(document: Document, asPrompt = false): readonly number[] {
    switch (document.kind) {
      case 'empty':
        return []
      case 'ids':
        return document.ids
      case 'text': {
        // Opened here, because a tokenizer that cannot be opened is not the document's fault.
        const { tokenizer } = this
        return placed(document.bad, () => tokenizer.encode(document.text))
      }
      case 'messages': {
        const { tokenizer } = this
        // The template's text already contains the special tokens.
        return placed(document.bad, () => tokenizer.encode(this.render(document, asPrompt), { special: false }))
      }
      default:
        return unreachable(document)
    }
  }

  /** Renders a conversation as text that includes special tokens.
   *  @throws Failure InvalidInput naming the template's file */
  render(
    { messages, extras }: Pick<Extract<Document, { readonly kind: 'messages' }>, 'messages' | 'extras'>,
    addGenerationPrompt = false,
  ): string {
    this.template ??= ChatTemplate.open(this.folder)
    const text = this.template.render(messages, { ...extras, addGenerationPrompt })
    // Templates silently skip roles that they do not know.
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

/** Adds a document's place to errors that concern it. */
export function placed<T>(bad: DataRecord['bad'] | undefined, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Failure) || !bad) throw error
    throw bad(error.message, error.remedy)
  }
}
