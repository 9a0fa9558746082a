import { join } from 'node:path'
import { openModel } from '../../model/index.js'
import type { SingleStage } from '../../api/index.js'
import type { PreparedText, PrepareOutputs } from '../../puzzle/hand-over.js'
import type { DataInput, ModelInput } from '../../puzzle/inputs.js'
import { DocumentEncoder, readDocuments, type DataFile } from '../../data/documents.js'
import { Packer, requireEnough, requirePositions, type Packing } from '../../data/packing.js'
import { SequenceFile } from '../../data/sequence-file.js'
import { readTasks } from '../../data/task-items.js'

interface PrepareParams {
  /** Largest number of items to read of each task. */
  readonly taskItems: number
  readonly packing: Packing
  /** Largest number of sequences to take from each file. @default all */
  readonly maxSequences?: number
}

/** Converts the data to token sequences of equal length, shuffled by the seed. Texts are streamed: memory holds one record, one
 *  row group of a Parquet file or 16 Mi characters of a text file, and a few bytes for each sequence. */
export const prepare: SingleStage<PrepareParams, object, PrepareOutputs, ModelInput & DataInput> = {
  name: 'prepare',
  // 2: text files of more than 16 Mi characters become several documents. 3: formats are detected by contents; null and empty
  // texts are left out; values include padding. 4: chat templates are rendered as in Python; a task's prompt and answer are
  // tokenised as one text; special tokens that only special_tokens_map.json or similar files name are found in texts.
  version: 4,
  reads: ['model', 'data', 'tasks'],
  about: { summary: 'Tokenises training and validation text into sequences.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      taskItems: {
        description: 'Maximum number of items per task for measuring accuracy.',
        type: 'integer',
        minimum: 1,
        default: 240,
      },
      packing: {
        description:
          'How documents fill sequences. documents: each document begins a new sequence, long ones are split and the last sequence is padded, so that no token sees another document. continuous: documents follow one another, separated by an end token and without padding; tokens see the earlier documents in their sequence.',
        enum: ['documents', 'continuous'],
        default: 'documents',
      },
      maxSequences: {
        description:
          'Maximum number of sequences to take from the beginning of each file, before shuffling. Default: all.',
        type: 'integer',
        minimum: 2,
      },
    },
  },

  async run(context) {
    const { spec, seed, params } = context
    const { model: folder, data } = spec
    const { config, warnings } = await openModel(folder, context.blocks)
    const { vocabulary, maxPositions, eos } = config
    const encoder = new DocumentEncoder(folder, vocabulary)
    const length = data.sequenceLength ?? 128
    requirePositions(length, maxPositions)

    const read = async (file: DataFile, sequences: SequenceFile): Promise<PreparedText> => {
      const packer = new Packer(params.packing, length, eos[0])
      const most = params.maxSequences ?? Infinity
      let empty = 0
      const add = (all: Iterable<readonly number[]>) => {
        for (const ids of all) if (sequences.count < most) sequences.add(ids)
      }
      for await (const document of readDocuments(file, vocabulary)) {
        context.signal.throwIfAborted()
        if (document.kind === 'empty') empty++
        add(packer.add(encoder.encode(document)))
        if (sequences.count === most) break
      }
      add(packer.rest())
      requireEnough(file.path, sequences.tokens, length, empty)
      const { count, tokens } = sequences
      const positions = count * length
      return { sequences: count, tokens, positions, padding: 1 - tokens / positions, empty }
    }
    const train = new SequenceFile(join(context.scratch, 'train.rows'), length)
    const validate = new SequenceFile(join(context.scratch, 'validate.rows'), length)
    try {
      const texts = { train: await read(data.train, train), validate: await read(data.validate, validate) }
      const tasks =
        typeof spec.tasks === 'string' ? await readTasks(spec.tasks, encoder.tokenizer, params.taskItems) : {}
      return {
        values: { sequenceLength: length, ...texts, tasks: Object.keys(tasks), ...(warnings && { warnings }) },
        files: {
          train: await train.store(context, join(context.scratch, 'train'), seed),
          validate: await validate.store(context, join(context.scratch, 'validate'), seed),
          tasks: await context.put('tasks', tasks),
        },
      }
    } finally {
      train.close()
      validate.close()
    }
  },
}
