import {
  ChatTemplate,
  exactJson,
  messagesProblem,
  Tokenizer,
  type ChatMessage,
  type RenderOptions,
} from '../../model/index.js'
import { Failure } from '../api/index.js'
import { readJsonLines, type DataRecord } from './json-lines.js'
import { readParquetRows } from './parquet-rows.js'
import { readText } from './text-files.js'

/** A file with documents, as the spec's `data` names it. */
export interface DataFile {
  readonly path: string
  /** Field or column of the document. Default: `text`, `input_ids` or `messages`. */
  readonly column?: string
}

/** A document: text, token ids as they are, or a conversation. */
export type Document =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | {
      readonly kind: 'messages'
      readonly messages: readonly ChatMessage[]
      /** What the record has for the chat template beside them. */
      readonly extras: Pick<RenderOptions, 'tools' | 'documents' | 'variables'>
      readonly bad: DataRecord['bad']
    }

/** Most characters of a text file that are one document: longer files are divided. */
export const longestText = 16 * 2 ** 20

/** What a file holds, by its name. */
export function kindOf(path: string): 'json-lines' | 'parquet' | 'text' {
  const name = path.replace(/\.gz$/, '')
  return name.endsWith('.jsonl') ? 'json-lines' : path.endsWith('.parquet') ? 'parquet' : 'text'
}

/** Documents of a file: .jsonl or .jsonl.gz (one a line), .parquet (one a row), any other as text or .gz of it (one
 *  document). Held at once: a line, a row group, or `longestText` characters.
 *  @throws Failure InvalidInput with file and place */
export async function* readDocuments({ path, column }: DataFile, vocabulary: number): AsyncGenerator<Document> {
  const kind = kindOf(path)
  if (kind === 'text') {
    if (column !== undefined)
      throw new Failure('InvalidInput', `${path}: is read as one text, and has no "${column}"`, {
        file: path,
        remedy: 'Leave `column` out, or give a .jsonl, .jsonl.gz or .parquet file.',
      })
    for await (const text of readText(path, longestText)) yield { kind: 'text', text }
    return
  }
  const names = column === undefined ? Object.keys(kinds) : [column]
  const record = kind === 'parquet' ? 'row of a .parquet file has' : 'line of a .jsonl file is'
  const remedy =
    column === undefined
      ? `Each ${record} {"text": "…"}, {"input_ids": […]} or {"messages": [{"role": "…", "content": "…"}]}.`
      : `Each ${record} {"${column}": …}: a text, token ids, or a list of {"role": "…", "content": "…"}.`
  const records = kind === 'parquet' ? readParquetRows(path, names, remedy) : readJsonLines(path, remedy)
  for await (const found of records) yield documentOf(found, names, vocabulary)
}

const kinds: Readonly<Record<string, Document['kind']>> = { text: 'text', input_ids: 'ids', messages: 'messages' }

/** What a chat template gets beside messages. */
function extrasOf(fields: DataRecord['fields']): Pick<RenderOptions, 'tools' | 'documents' | 'variables'> {
  const { tools, documents, chat_template_kwargs: variables } = fields
  return {
    ...(Array.isArray(tools) && { tools }),
    ...(Array.isArray(documents) && { documents }),
    ...(typeof variables === 'object' && variables !== null && { variables: variables as Record<string, unknown> }),
  }
}

function documentOf({ fields, json, bad }: DataRecord, names: readonly string[], vocabulary: number): Document {
  const known = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary
  for (const name of names) {
    const value = fields[name]
    // A field of another name may hold any of them.
    const mayBe = (kind: Document['kind']) => (kinds[name] ?? kind) === kind
    if (typeof value === 'string' && mayBe('text')) return { kind: 'text', text: value }
    if (Array.isArray(value) && value.every(known) && mayBe('ids')) return { kind: 'ids', ids: value as number[] }
    if (!mayBe('messages') || (name === 'messages' ? value === undefined || value === null : !isConversation(value)))
      continue
    const problem = messagesProblem(value)
    if (problem !== undefined) throw bad(problem)
    // Numbers reach the template as they are written.
    const exact = json === undefined ? fields : (exactJson(json) as DataRecord['fields'])
    return { kind: 'messages', messages: exact[name] as ChatMessage[], extras: extrasOf(exact), bad }
  }
  if (names.length === 1) throw bad(`has no "${names[0]}" that is text, token ids within the vocabulary, or messages`)
  throw bad('has neither a "text" nor "input_ids" within the vocabulary nor "messages"')
}

const isConversation = (value: unknown): boolean =>
  Array.isArray(value) && typeof value[0] === 'object' && value[0] !== null

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
      case 'ids':
        return document.ids
      case 'text':
        return this.tokenizer.encode(document.text)
      case 'messages': {
        let text: string
        try {
          this.template ??= ChatTemplate.open(this.folder)
          text = this.template.render(document.messages, document.extras)
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          throw document.bad(error.message, error.remedy)
        }
        // The template has written the special tokens.
        return this.tokenizer.encode(text, { special: false })
      }
      default: {
        const impossible: never = document
        return impossible
      }
    }
  }
}
