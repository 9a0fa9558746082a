import { readFileSync } from 'node:fs'
import type { Tokenizer } from '../../model/index.js'
import { Failure } from '../api/index.js'
import { readJsonLines } from './json-lines.js'

/** A document: text, or token ids as they are. */
export type Document = string | readonly number[]

/** Documents of a .jsonl ({"text"} or {"input_ids"} a line) or .txt (one document) file.
 *  @throws Failure InvalidInput with file and line */
export function* readDocuments(path: string, vocabulary: number): Generator<Document> {
  if (!path.endsWith('.jsonl')) {
    yield readFileSync(path, 'utf8')
    return
  }
  const known = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary
  for (const { fields, bad } of readJsonLines(
    path,
    'Each line of a .jsonl file is {"text": "…"} or {"input_ids": […]}.',
  )) {
    const { text, input_ids: ids } = fields
    if (typeof text === 'string') yield text
    else if (Array.isArray(ids) && ids.every(known)) yield ids as number[]
    else throw bad('has neither a "text" nor "input_ids" within the vocabulary')
  }
}

/** Token ids of a document. */
export const tokensOf = (document: Document, tokenizer: () => Tokenizer): readonly number[] =>
  typeof document === 'string' ? tokenizer().encode(document) : document

/** Pieces of at most `length` tokens. A last piece of one token predicts nothing and is left out. */
export const cut = (ids: readonly number[], length: number): (readonly number[])[] =>
  Array.from({ length: Math.ceil(ids.length / length) }, (_, i) => ids.slice(i * length, (i + 1) * length)).filter(
    (piece) => piece.length > 1,
  )

/** Two sequences are the least that can be trained on and shuffled.
 *  @throws Failure InvalidInput */
export function requireEnough(path: string, tokens: number, length: number): void {
  if (tokens < 2 * length)
    throw new Failure('InvalidInput', `${path} holds ${tokens} tokens: fewer than two sequences of ${length}`, {
      file: path,
      remedy: 'Give more text, or a smaller data.sequenceLength.',
    })
}

/** @throws Failure InvalidInput when sequences are longer than the model's positions */
export function requirePositions(length: number, positions: number): void {
  if (length > positions)
    throw new Failure('InvalidInput', `data.sequenceLength ${length} is more than the model's ${positions} positions`, {
      remedy: `Give ${positions} or less.`,
    })
}
