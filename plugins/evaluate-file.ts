import { cacheWeights, embed, Forward, Head, type Comparison, type Model } from '../model/index.js'
import { Failure } from './api/index.js'
import { taskAccuracy } from './stages/measuring.js'
import { DocumentEncoder, readDocuments, type DataFile } from './stages/documents.js'
import { Packer, requirePositions, type Packing } from './stages/packing.js'
import { readTasks } from './stages/task-items.js'

export interface EvaluationOptions {
  /** Tokens of a sequence: what a token can see at most. Default: as many as the model has positions, 512 at most. */
  readonly sequenceLength?: number
  readonly packing: Packing
  /** Ends with the sequence that reaches so many tokens. Default: all. */
  readonly maxTokens?: number
  /** Folder of tasks as a spec names one. */
  readonly tasks?: string
  /** The model to compare with, of the same vocabulary. */
  readonly parent?: Model
  /** Sequences computed at once. */
  readonly batch: number
  readonly threads: number
}

/** What a model makes of a text. Means over tokens that have one before them in their sequence; nats. */
export interface Evaluation {
  readonly sequences: number
  /** Tokens that were predicted. */
  readonly tokens: number
  /** Mean negative log-likelihood. */
  readonly loss: number
  readonly perplexity: number
  /** Share of each task's items that are answered right. */
  readonly tasks?: Readonly<Record<string, number>>
  readonly accuracy?: number
  /** Beside the parent, at all positions: KL(parent || model), and how often both find the same token most likely. */
  readonly comparison?: {
    readonly kl: number
    readonly top1: number
    readonly parentLoss: number
    readonly parentPerplexity: number
  }
}

/**
 * Measures a model on a file of text, and on tasks. The file is streamed: in memory are one batch of sequences, the
 * head's chunk of logits, and weights up to 1 GiB beside embedding and head.
 * @throws Failure InvalidInput for a file that is none, a parent of another vocabulary; NonFinite
 */
export async function evaluateFile(model: Model, data: DataFile, options: EvaluationOptions): Promise<Evaluation> {
  const { packing, maxTokens = Infinity, parent, batch, threads } = options
  const { config } = model
  const length = options.sequenceLength ?? Math.min(512, config.maxPositions)
  requirePositions(length, config.maxPositions)
  if (parent) requireComparable(parent, model)
  const encoder = new DocumentEncoder(model.folder, config.vocabulary)
  // Before anything is computed.
  const tasks = options.tasks === undefined ? {} : await readTasks(options.tasks, encoder.tokenizer, Infinity)

  const own = cacheWeights(model)
  const other = parent && cacheWeights(parent)
  const head = await Head.create(own, threads, other ?? own)
  const forward = new Forward(batch, length, threads)
  const total = { kl: 0, loss: 0, parentLoss: 0, top1: 0, tokens: 0, targets: 0, sequences: 0 }
  try {
    for await (const rows of batches(
      sequences(data, encoder, new Packer(packing, length, config.eos[0]), config),
      batch,
    )) {
      const ids = new Int32Array(batch * length)
      const mask = new Float32Array(batch * length)
      for (const [row, own] of rows.entries()) {
        ids.set(own, row * length)
        mask.fill(1, row * length, row * length + own.length)
      }
      const last = async (of: Model) =>
        forward.layers(of, embed(await of.embedding(), of.config, ids), 0, of.config.layers)
      const hidden = await last(own)
      const found: Comparison = await head.compare(other ? await last(other) : hidden, hidden, ids, mask, length)
      for (const key of ['kl', 'loss', 'parentLoss', 'top1', 'tokens', 'targets'] as const) total[key] += found[key]
      total.sequences += rows.length
      if (total.targets >= maxTokens) break
    }
    if (total.targets === 0)
      throw new Failure('InvalidInput', `${data.path} holds no sequence of two tokens`, {
        file: data.path,
        remedy: 'Give a file with text.',
      })
    const accuracies: Record<string, number> = {}
    for (const [name, { items }] of Object.entries(tasks))
      accuracies[name] = await taskAccuracy(own, head, items, threads)
    return summary(total, accuracies, parent !== undefined, model.folder)
  } finally {
    await head.release()
    await forward.release()
  }
}

function summary(
  {
    kl,
    loss,
    parentLoss,
    top1,
    tokens,
    targets,
    sequences,
  }: Record<'kl' | 'loss' | 'parentLoss' | 'top1' | 'tokens' | 'targets' | 'sequences', number>,
  tasks: Readonly<Record<string, number>>,
  compared: boolean,
  folder: string,
): Evaluation {
  if (!Number.isFinite(loss) || !Number.isFinite(kl))
    throw new Failure('NonFinite', `${folder}: the loss on this text is ${loss / targets}`, {
      file: folder,
      remedy: 'Look for damaged or extreme weights.',
    })
  const shares = Object.values(tasks)
  return {
    sequences,
    tokens: targets,
    loss: loss / targets,
    perplexity: Math.exp(loss / targets),
    ...(shares.length > 0 && { tasks, accuracy: shares.reduce((a, b) => a + b, 0) / shares.length }),
    ...(compared && {
      comparison: {
        kl: kl / tokens,
        top1: top1 / tokens,
        parentLoss: parentLoss / targets,
        parentPerplexity: Math.exp(parentLoss / targets),
      },
    }),
  }
}

function requireComparable(parent: Model, { folder, config }: Model): void {
  for (const size of ['vocabulary', 'hidden'] as const)
    if (parent.config[size] !== config[size])
      throw new Failure(
        'InvalidInput',
        `${parent.folder} has a ${size} of ${parent.config[size]}, and ${folder} one of ${config[size]}`,
        { file: parent.folder, remedy: 'Compare a child with the parent that it descends from.' },
      )
}

async function* sequences(
  data: DataFile,
  encoder: DocumentEncoder,
  packer: Packer,
  { vocabulary }: { readonly vocabulary: number },
): AsyncGenerator<readonly number[]> {
  for await (const document of readDocuments(data, vocabulary)) yield* packer.add(encoder.encode(document))
  yield* packer.rest()
}

/** Items `size` at a time, the last ones fewer. */
async function* batches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let held: T[] = []
  for await (const item of items) {
    held.push(item)
    if (held.length < size) continue
    yield held
    held = []
  }
  if (held.length > 0) yield held
}
