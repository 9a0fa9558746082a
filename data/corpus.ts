import type { Tokenizer } from '../model/index.js'
import type { Tensor } from '../tensor/index.js'
import { Failure } from '../api/index.js'
import { readJsonRecords, type DataRecord } from './json-records.js'

const remedy = 'Each line is {"text": "…"}, with "answers": [[start, end], …] in characters, where answers count more.'

/** A piece of a text, and the weight of its tokens in the loss. */
interface Piece {
  readonly text: string
  readonly weight: number
}

/** Texts to learn from, as token ids with weights. */
export interface Corpus {
  /** Number of documents. */
  readonly count: number
  /** Returns `steps` batches, starting at document `first`. After the last document, it continues with the first. */
  batches(first: number, steps: number, batch: number): Record<'ids' | 'labels' | 'weights', Tensor>
}

/** Reads the documents of a file of JSON lines in its order, cut or padded to `length` tokens. The last token is only a label.
 *  @param contextWeight  weight of text that is not an answer
 *  @throws Failure InvalidInput naming file and line */
export async function readCorpus(
  path: string,
  tokenizer: Tokenizer,
  length: number,
  contextWeight: number,
): Promise<Corpus> {
  const documents: Piece[][] = []
  for await (const line of readJsonRecords(path, remedy)) documents.push(pieces(line, contextWeight))
  const count = documents.length
  if (count === 0) throw new Failure('InvalidInput', `${path} has no documents`, { file: path, remedy })
  const ids = new Int32Array(count * length)
  const weights = new Float32Array(count * length)
  for (const [row, document] of documents.entries()) {
    let at = row * length
    const end = at + length
    for (const { text, weight } of document)
      for (const id of tokenizer.encode(text, { special: at === row * length })) {
        if (at === end) break
        ids[at] = id
        weights[at++] = weight
      }
  }
  return {
    count,
    batches(first, steps, batch) {
      const step = batch * (length - 1)
      const out = {
        ids: { dtype: 'int64' as const, dims: [steps, step], data: new BigInt64Array(steps * step) },
        labels: { dtype: 'int64' as const, dims: [steps, step], data: new BigInt64Array(steps * step) },
        weights: { dtype: 'float32' as const, dims: [steps, step], data: new Float32Array(steps * step) },
      }
      for (let i = 0; i < steps * batch; i++) {
        const row = ((first + i) % count) * length
        for (let t = 0; t < length - 1; t++) {
          const to = i * (length - 1) + t
          out.ids.data[to] = BigInt(ids[row + t]!)
          out.labels.data[to] = BigInt(ids[row + t + 1]!)
          out.weights.data[to] = weights[row + t + 1]!
        }
      }
      return out
    },
  }
}

/** Divides a document into its answers and the text between them. */
function pieces({ fields: { text, answers = [] }, bad }: DataRecord, contextWeight: number): Piece[] {
  if (text === null || text === '') throw bad(`has a "text" that is ${text === null ? 'null' : 'empty'}`)
  if (typeof text !== 'string') throw bad('has no "text"')
  const wrong = () => bad('has answers that are not ranges of its text')
  if (!Array.isArray(answers)) throw wrong()
  const inOrder: Piece[] = []
  let from = 0
  for (const range of answers as readonly unknown[]) {
    const [start, end] = Array.isArray(range) ? (range as readonly number[]) : []
    if (!Number.isInteger(start) || !Number.isInteger(end)) throw wrong()
    if (!(from <= start! && start! < end! && end! <= text.length)) throw wrong()
    inOrder.push({ text: text.slice(from, start), weight: contextWeight })
    inOrder.push({ text: text.slice(start, end), weight: 1 })
    from = end!
  }
  return [...inOrder, { text: text.slice(from), weight: contextWeight }]
}
