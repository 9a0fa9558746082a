import { join } from 'node:path'
import { openModel, Tokenizer } from '../../model/index.js'
import type { ArtifactRef, JsonObject, SingleStage } from '../api/index.js'
import { cut, readDocuments, requireEnough, requirePositions, tokensOf } from './documents.js'
import { shuffled } from '../../tensor/random.js'
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
  about: { summary: 'Tokenises training and validation text into sequences.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      taskItems: {
        description: 'Items at most of each task that accuracy is measured on.',
        type: 'integer',
        minimum: 1,
        default: 240,
      },
    },
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
    requirePositions(length, maxPositions)
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

/** Documents of a file as sequences of at most `length` tokens. */
function readSequences(path: string, tokenizer: () => Tokenizer, length: number, vocabulary: number) {
  const sequences = Array.from(readDocuments(path, vocabulary), (document) =>
    cut(tokensOf(document, tokenizer), length),
  ).flat()
  const tokens = sequences.reduce((n, ids) => n + ids.length, 0)
  requireEnough(path, tokens, length)
  return sequences
}
