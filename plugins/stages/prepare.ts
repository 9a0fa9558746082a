import { join } from 'node:path'
import { openModel } from '../../model/index.js'
import type { SingleStage } from '../../api/index.js'
import { ofItems, ofSequences } from '../../puzzle/parameters.js'
import { bounded, expectedReading } from '../../puzzle/estimates/reading.js'
import type { PrepareOutputs } from '../../puzzle/hand-over.js'
import type { DataInput, ModelInput } from '../../puzzle/inputs.js'
import { openParent } from '../../puzzle/parent.js'
import { DocumentEncoder, readDocuments, type DataFile } from '../../data/documents.js'
import {
  beginOfText,
  Packer,
  requireEnough,
  requirePositions,
  type BeginOfText,
  type Packing,
} from '../../data/packing.js'
import { SequenceFile } from '../../data/sequence-file.js'
import { HeldOut } from '../../data/held-out.js'
import { readSplitTasks } from '../../data/read-tasks.js'
import { isTest, type SplitTask } from '../../data/task-splits.js'

interface PrepareParams {
  /** Largest number of items to read of each task. */
  readonly taskItems: number
  readonly packing: Packing
  readonly beginOfText: BeginOfText
  /** Largest number of sequences to take from each file. @default all */
  readonly maxSequences?: number
  /** Share of what is held out that only the final evaluation sees, 0..1. */
  readonly testShare: number
}

/** Converts the data to token sequences of equal length, shuffled by the seed. Texts are streamed: memory holds one record, one
 *  row group of a Parquet file or 16 Mi characters of a text file, and a few bytes for each sequence. */
export const prepare: SingleStage<PrepareParams, object, PrepareOutputs, ModelInput & DataInput> = {
  name: 'prepare',
  // 2: text files of more than 16 Mi characters become several documents. 3: formats are detected by contents; null and empty
  // texts are left out; values include padding. 4: chat templates are rendered as in Python; a task's prompt and answer are
  // tokenised as one text; special tokens that only special_tokens_map.json or similar files name are found in texts. 5: a test
  // split that only the final evaluation reads, and tasks of lm-evaluation-harness. 6: sequences that go on with a document begin as
  // texts do.
  version: 6,
  reads: ['model', 'data', 'tasks'],
  about: { summary: 'Tokenises training and validation text into sequences.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      taskItems: {
        description: 'Maximum number of items per task and split for measuring accuracy.',
        type: 'integer',
        minimum: 1,
        ...ofItems,
        default: 240,
      },
      packing: {
        description:
          'How documents fill sequences. documents: each document begins a new sequence, long ones are split and the last sequence is padded, so that no token sees another document. continuous: documents follow one another, separated by an end token and without padding; tokens see the earlier documents in their sequence.',
        enum: ['documents', 'continuous'],
        default: 'documents',
      },
      beginOfText: {
        description:
          'Where to put the tokens that the tokenizer adds at the beginning of a text. sequences: also where a sequence continues a document, since models expect them; documents: only where a document begins.',
        enum: ['sequences', 'documents'],
        default: 'sequences',
      },
      maxSequences: {
        description:
          'Maximum number of sequences to take from the beginning of each file, before shuffling. Default: all.',
        type: 'integer',
        minimum: 2,
        ...ofSequences,
      },
      testShare: {
        description:
          'Share of the items of a task, and of the sequences of `data.validate`, that only the final evaluation sees, where the spec gives no test set of its own (docs/evaluation.md). The content decides which. 0: the final evaluation measures what the search has seen.',
        quantity: 'fraction',
        default: 0.5,
      },
    },
  },

  async resources(context) {
    const model = await openParent(context)
    const read = await expectedReading(context, model)
    if (!read) return {}
    const sequences = bounded(read.train) + read.validate + read.test
    return {
      disk: 4 * sequences * read.length,
      work: { seconds: sequences * read.seconds },
    }
  },

  async run(context) {
    const { spec, seed, params } = context
    const { model: folder, data } = spec
    const { config, warnings } = await openModel(folder, context.blocks)
    const { vocabulary, maxPositions, eos } = config
    const encoder = new DocumentEncoder(folder, vocabulary)
    const length = data.sequenceLength ?? 128
    requirePositions(length, maxPositions)

    const read = async (file: DataFile, sequences: SequenceFile): Promise<HeldOut> => {
      const packer = new Packer(params.packing, length, eos[0], beginOfText(params, encoder))
      const most = params.maxSequences ?? Infinity
      const sides: boolean[] = []
      let empty = 0
      const add = (all: Iterable<readonly number[]>) => {
        for (const ids of all)
          if (sequences.count < most) {
            sequences.add(ids)
            sides.push(isTest(Buffer.from(Int32Array.from(ids).buffer), params.testShare))
          }
      }
      for await (const document of readDocuments(file, vocabulary)) {
        context.signal.throwIfAborted()
        if (document.kind === 'empty') empty++
        add(packer.add(encoder.encode(document)))
        if (sequences.count === most) break
      }
      add(packer.rest())
      requireEnough(file.path, sequences.tokens, length, empty)
      return new HeldOut(sequences, sides, empty)
    }
    const files = (['train', 'validate', 'test'] as const).map(
      (name) => new SequenceFile(join(context.scratch, `${name}.rows`), length, data[name]?.path),
    )
    const [trainFile, validateFile, testFile] = files as [SequenceFile, SequenceFile, SequenceFile]
    try {
      const train = await read(data.train, trainFile)
      const held = await read(data.validate, validateFile)
      const given = data.test && (await read(data.test, testFile))
      const { validate, test, split } = given
        ? { validate: held.rows(), test: given.rows(), split: 'given' as const }
        : held.divided()
      const tasks =
        spec.tasks === undefined
          ? {}
          : await readSplitTasks(
              spec.tasks,
              { tokenizer: encoder.tokenizer, positions: maxPositions },
              { share: params.testShare, most: params.taskItems },
            )
      const each = <T>(of: (task: SplitTask) => T): Record<string, T> =>
        Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, of(task)]))
      const store = (name: string, own: HeldOut, rows: Uint32Array<ArrayBuffer>) =>
        own.sequences.store(context, join(context.scratch, name), seed, rows)
      return {
        values: {
          sequenceLength: length,
          train: train.prepared(train.rows()),
          validate: held.prepared(validate),
          test: (given ?? held).prepared(test),
          tasks: Object.keys(tasks),
          splits: { text: split, tasks: each((task) => task.split) },
          ...(warnings && { warnings }),
        },
        files: {
          train: await store('train', train, train.rows()),
          validate: await store('validate', held, validate),
          test: await store('test', given ?? held, test),
          tasks: await context.put(
            'tasks',
            each((task) => task.validation),
          ),
          testTasks: await context.put(
            'tasks',
            each((task) => task.test),
          ),
        },
      }
    } finally {
      for (const file of files) file.close()
    }
  },
}
