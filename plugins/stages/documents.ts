import { ChatTemplate, messagesProblem, Tokenizer, type ChatMessage } from '../../model/index.js'
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
  | { readonly kind: 'text'; readonly text: string; readonly bad?: DataRecord['bad'] }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'messages'; readonly messages: readonly ChatMessage[]; readonly bad: DataRecord['bad'] }

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
    const bad: DataRecord['bad'] = (message, remedy) =>
      new Failure('InvalidInput', `${path}: ${message}`, { file: path, ...(remedy !== undefined && { remedy }) })
    for await (const text of readText(path, longestText)) yield { kind: 'text', text, bad }
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

function documentOf({ fields, bad }: DataRecord, names: readonly string[], vocabulary: number): Document {
  const known = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary
  for (const name of names) {
    const value = fields[name]
    // A field of another name may hold any of them.
    const mayBe = (kind: Document['kind']) => (kinds[name] ?? kind) === kind
    if (typeof value === 'string' && mayBe('text')) return { kind: 'text', text: value, bad }
    if (Array.isArray(value) && value.every(known) && mayBe('ids')) return { kind: 'ids', ids: value as number[] }
    if (!mayBe('messages') || (name === 'messages' ? value === undefined || value === null : !isConversation(value)))
      continue
    const problem = messagesProblem(value)
    if (problem !== undefined) throw bad(problem)
    return { kind: 'messages', messages: value as ChatMessage[], bad }
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
      case 'text': {
        // A tokenizer that cannot be opened is not the document's fault.
        const { tokenizer } = this
        return placed(document.bad, () => tokenizer.encode(document.text))
      }
      case 'messages': {
        const { tokenizer } = this
        return placed(document.bad, () => {
          this.template ??= ChatTemplate.open(this.folder)
          // The template writes the special tokens.
          return tokenizer.encode(this.template.render(document.messages), { special: false })
        })
      }
      default: {
        const impossible: never = document
        return impossible
      }
    }
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
