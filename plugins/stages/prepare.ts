import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openModel, Tokenizer } from '../../model/index.js'
import { Failure, type ArtifactRef, type JsonObject, type SingleStage } from '../api/index.js'
import { readJsonLines } from './json-lines.js'
import { shuffled } from './random.js'
import { putSequences } from './sequences.js'
import { readTasks } from './task-items.js'

interface PrepareParams {
  /** Most items read of each task. */
  readonly taskItems: number
}
/** A file with documents, as the spec's `data` names it. */
interface DataSet {
  readonly path: string
}

/** Turns the data into token sequences of one length (a document each; longer ones are divided), shuffled by the seed. */
export const prepare: SingleStage<PrepareParams> = {
  name: 'prepare',
  version: 1,
  reads: ['model', 'data', 'tasks'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: { taskItems: { type: 'integer', minimum: 1, default: 240 } },
  },

  async run(context) {
    const { spec, seed } = context
    const folder = spec.model as string
    const { vocabulary, maxPositions } = (await openModel(folder, context.blocks)).config
    // Opened when a text is met: data may be token ids, of a model without a tokenizer.
    let opened: Tokenizer | undefined
    const tokenizer = () => (opened ??= Tokenizer.open(folder, vocabulary))
    const data = spec.data as unknown as { train: DataSet; validate: DataSet; sequenceLength?: number }
    const length = data.sequenceLength ?? 128
    if (length > maxPositions)
      throw new Failure(
        'InvalidInput',
        `data.sequenceLength ${length} is more than the model's ${maxPositions} positions`,
        { remedy: `Give ${maxPositions} or less.` },
      )
    const train = readSequences(data.train.path, tokenizer, length, vocabulary)
    const validate = readSequences(data.validate.path, tokenizer, length, vocabulary)
    const store = async (name: string, rows: readonly (readonly number[])[]) => {
      const order = shuffled(rows.length, seed)
      const ids = new Int32Array(rows.length * length)
      const mask = new Float32Array(rows.length * length)
      order.forEach((row, i) => {
        ids.set(rows[row]!, i * length)
        mask.fill(1, i * length, i * length + rows[row]!.length)
      })
      return putSequences(context, join(context.scratch, name), { count: rows.length, length, ids, mask })
    }
    const files: Record<string, ArtifactRef> = {
      train: await store('train', train),
      validate: await store('validate', validate),
    }
    const tasks =
      typeof spec.tasks === 'string' ? await readTasks(spec.tasks, tokenizer(), context.params.taskItems) : {}
    files.tasks = await context.put('tasks', tasks as unknown as JsonObject)
    const count = (rows: readonly (readonly number[])[]) => ({
      sequences: rows.length,
      tokens: rows.reduce((n, row) => n + row.length, 0),
    })
    return {
      values: { sequenceLength: length, train: count(train), validate: count(validate), tasks: Object.keys(tasks) },
      files,
    }
  },
}

/** Documents of a .jsonl ({"text"} or {"input_ids"}) or .txt file as sequences of at most `length` tokens. */
function readSequences(path: string, tokenizer: () => Tokenizer, length: number, vocabulary: number): number[][] {
  const documents = path.endsWith('.jsonl')
    ? readDocuments(path, tokenizer, vocabulary)
    : [tokenizer().encode(readFileSync(path, 'utf8'))]
  const sequences = documents.flatMap((ids) =>
    Array.from({ length: Math.ceil(ids.length / length) }, (_, i) => ids.slice(i * length, (i + 1) * length)),
  )
  const usable = sequences.filter((ids) => ids.length > 1)
  const tokens = usable.reduce((n, ids) => n + ids.length, 0)
  if (tokens < 2 * length)
    throw new Failure('InvalidInput', `${path} holds ${tokens} tokens: fewer than two sequences of ${length}`, {
      file: path,
      remedy: 'Give more text, or a smaller data.sequenceLength.',
    })
  return usable
}

function readDocuments(path: string, tokenizer: () => Tokenizer, vocabulary: number): number[][] {
  const documents: number[][] = []
  for (const { fields, bad } of readJsonLines(
    path,
    'Each line of a .jsonl file is {"text": "…"} or {"input_ids": […]}.',
  )) {
    const { text, input_ids: ids } = fields
    if (typeof text === 'string') documents.push(tokenizer().encode(text))
    else if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary))
      documents.push(ids as number[])
    else throw bad('has neither a "text" nor "input_ids" within the vocabulary')
  }
  return documents
}
