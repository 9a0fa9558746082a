import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { openModel, Tokenizer } from '../../model/index.js'
import { Failure, type ArtifactRef, type JsonObject, type SingleStage } from '../api/index.js'
import { shuffled } from './random.js'
import { putSequences } from './sequences.js'

interface PrepareParams {
  /** Most items read of each task. */
  readonly taskItems: number
}
/** A file with documents, as the spec's `data` names it. */
interface DataSet {
  readonly path: string
}
/** Items of one task as token ids. */
export interface TaskItems {
  /** Accuracy of guessing. */
  readonly chance: number
  readonly items: readonly { readonly prompt: readonly number[]; readonly answer: readonly number[] }[]
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
    const model = await openModel(folder, context.blocks)
    const tokenizer = Tokenizer.open(folder, model.config.vocabulary)
    const data = spec.data as unknown as { train: DataSet; validate: DataSet; sequenceLength?: number }
    const length = data.sequenceLength ?? 128
    if (length > model.config.maxPositions)
      throw new Failure(
        'InvalidInput',
        `data.sequenceLength ${length} is more than the model's ${model.config.maxPositions} positions`,
      )
    const train = readSequences(data.train.path, tokenizer, length, model.config.vocabulary)
    const validate = readSequences(data.validate.path, tokenizer, length, model.config.vocabulary)
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
    const tasks = typeof spec.tasks === 'string' ? await readTasks(spec.tasks, tokenizer, context) : {}
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
function readSequences(path: string, tokenizer: Tokenizer, length: number, vocabulary: number): number[][] {
  const bad = (line: number, message: string) =>
    new Failure('InvalidInput', `${path}:${line}: ${message}`, {
      file: path,
      remedy: 'Each line of a .jsonl file is {"text": "…"} or {"input_ids": […]}.',
    })
  const text = readFileSync(path, 'utf8')
  const documents: number[][] = []
  if (path.endsWith('.jsonl')) {
    for (const [i, line] of text.split('\n').entries()) {
      if (line.trim() === '') continue
      let record: unknown
      try {
        record = JSON.parse(line)
      } catch {
        throw bad(i + 1, 'is not JSON')
      }
      const { text: content, input_ids: ids } = (record ?? {}) as { text?: unknown; input_ids?: unknown }
      if (typeof content === 'string') documents.push(tokenizer.encode(content))
      else if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary))
        documents.push(ids as number[])
      else throw bad(i + 1, 'has neither a "text" nor "input_ids" within the vocabulary')
    }
  } else documents.push(tokenizer.encode(text))
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

/** tasks.json {name: {chance}} and NAME.jsonl {"prompt", "answer"} of a folder. */
async function readTasks(
  folder: string,
  tokenizer: Tokenizer,
  { params }: { readonly params: PrepareParams },
): Promise<Record<string, TaskItems>> {
  const file = join(folder, 'tasks.json')
  const bad = (path: string, message: string) =>
    new Failure('InvalidInput', `${path}: ${message}`, {
      file: path,
      remedy: 'tasks.json is {"NAME": {"chance": 0.1}}, and NAME.jsonl has lines {"prompt": "…", "answer": "…"}.',
    })
  const read = async (path: string) => {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      throw bad(path, (error as Error).message)
    }
  }
  const index = JSON.parse(await read(file)) as Record<string, { chance?: number }>
  const tasks: Record<string, TaskItems> = {}
  for (const [name, { chance = 0 }] of Object.entries(index)) {
    if (!/^[\w-]+$/.test(name)) throw bad(file, `"${name}" is no name of a task`)
    const path = join(folder, `${name}.jsonl`)
    const lines = (await read(path)).split('\n').filter((line) => line.trim() !== '')
    const items = lines.slice(0, params.taskItems).map((line, i) => {
      const { prompt, answer } = JSON.parse(line) as { prompt?: unknown; answer?: unknown }
      if (typeof prompt !== 'string' || typeof answer !== 'string')
        throw bad(`${path}:${i + 1}`, 'has no prompt and answer')
      return { prompt: tokenizer.encode(prompt), answer: tokenizer.encode(answer, { special: false }) }
    })
    if (items.length === 0) throw bad(path, 'has no items')
    tasks[name] = { chance, items }
  }
  return tasks
}
