import type { Model } from '../model/index.js'
import { Failure } from '../api/index.js'
import { lookAt } from './data-file.js'
import { DocumentEncoder, readDocuments, type Document } from './documents.js'
import { readLines } from './text-files.js'

/** Largest number of prompts that a search continues, since people read them, and of the tokens of each. */
const [mostPrompts, mostTokens] = [100, 512]

/** Reads the prompts of a file: one a line of a text, or the documents of any other file of data.
 *  @throws Failure InvalidInput with file and place */
export async function* readPrompts(path: string, vocabulary: number): AsyncGenerator<Document> {
  if (lookAt(path).kind !== 'text') {
    yield* readDocuments({ path }, vocabulary)
    return
  }
  for await (const { text, line } of readLines(path, 'One prompt per line, in UTF-8.'))
    if (text.trim() !== '') yield { kind: 'text', text, bad: promptAt(`${path}:${line}`) }
}

/** Says where a prompt is at fault. */
export const promptAt =
  (place: string) =>
  (message: string, remedy?: string): Failure =>
    new Failure('InvalidInput', `${place}: ${message}`, remedy === undefined ? {} : { remedy })

/** Refuses a prompt of a file that is null or empty. */
export function requireGiven(document: Document): asserts document is Exclude<Document, { readonly kind: 'empty' }> {
  if (document.kind === 'empty') throw document.bad('has a prompt that is null or empty', 'Leave it out.')
}

/** Creates the error for a file without prompts. */
export const noPrompts = (file: string): Failure =>
  new Failure('InvalidInput', `${file} holds no prompts`, {
    file,
    remedy: 'Give a .txt file with one prompt per line, or a .jsonl file with {"text": "…"} lines.',
  })

/** The prompts of a file that a search continues, as token ids in their order. Conversations go on with the model's answer.
 *  @throws Failure InvalidInput for a file that holds none or too many, or for one that is empty or too long */
export async function encodePrompts(
  path: string,
  { folder, config: { vocabulary, maxPositions } }: Pick<Model, 'folder' | 'config'>,
): Promise<readonly (readonly number[])[]> {
  const encoder = new DocumentEncoder(folder, vocabulary)
  // Also for token ids: what follows is shown as text.
  void encoder.tokenizer
  const bad = (message: string, remedy: string) =>
    new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy })
  const most = Math.min(mostTokens, maxPositions - 1)
  const prompts: (readonly number[])[] = []
  for await (const document of readPrompts(path, vocabulary)) {
    requireGiven(document)
    if (prompts.length === mostPrompts)
      throw bad(`holds more than ${mostPrompts} prompts`, 'Keep those whose continuations you want to read.')
    const ids = encoder.encode(document, true)
    prompts.push(ids)
    if (ids.length === 0) throw bad(`prompt ${prompts.length} has no tokens`, 'Leave it out.')
    if (ids.length > most)
      throw bad(`prompt ${prompts.length} has ${ids.length} tokens`, `Shorten it to at most ${most} tokens.`)
  }
  if (prompts.length === 0) throw noPrompts(path)
  return prompts
}
