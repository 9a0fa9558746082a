import { cacheWeights, embed, Forward, Head, OnnxModel, type Model } from '../model/index.js'
import { Failure } from '../api/index.js'
import { compareLogits, LogitsOf, type Sums } from './evaluate-logits.js'
import { answersOf, byLogits, tasksFor, type Answered } from './evaluate-tasks.js'
import { respondentOf } from './respondent.js'
import type { Respondent } from './task-answers.js'
import { DocumentEncoder, readDocuments, type DataFile } from '../data/documents.js'
import { leftOut, Packer, requirePositions, type Packing } from '../data/packing.js'
import type { TasksInput } from '../data/read-tasks.js'

export interface EvaluationOptions {
  /** Tokens of a sequence: what a token can see at most. Default: as many as the model has positions, 512 at most. */
  readonly sequenceLength?: number
  readonly packing: Packing
  /** Ends with the sequence that reaches so many tokens. Default: all. */
  readonly maxTokens?: number
  /** Tasks as a spec names them. */
  readonly tasks?: TasksInput
  /** The model to compare with, of the same vocabulary. */
  readonly parent?: Model | OnnxModel
  /** Sequences computed at once. */
  readonly batch: number
  readonly threads: number
}

/** What a model makes of a text. Means over tokens that have one before them in their sequence; nats. */
export interface Evaluation extends Answered {
  readonly sequences: number
  /** Tokens that were predicted. */
  readonly tokens: number
  /** Mean negative log-likelihood. */
  readonly loss: number
  readonly perplexity: number
  /** Null and empty records, which were left out. Absent: none. */
  readonly empty?: number
  /** Beside the parent, at all positions: KL(parent || model), and how often both find the same token most likely. */
  readonly comparison?: {
    readonly kl: number
    readonly top1: number
    readonly parentLoss: number
    readonly parentPerplexity: number
  }
}

/** What judges sequences of one length at most. */
interface Judge {
  /** @param rows  at most as many sequences as are computed at once */
  compare(rows: readonly (readonly number[])[]): Promise<Sums>
  /** What answers tasks: the model, and the parent that it is compared with. */
  readonly own: Respondent
  readonly parent?: Respondent
  release(): Promise<void>
}

const sumNames = ['kl', 'loss', 'parentLoss', 'top1', 'tokens', 'targets'] as const

/**
 * Measures a model, or the graph that it was exported as, on a file of text and on tasks. The file is streamed: in memory
 * are one batch of sequences, a chunk of logits, and weights up to 1 GiB beside embedding and head.
 * @throws Failure InvalidInput for a file that is none, a parent of another vocabulary; NonFinite
 */
export async function evaluateFile(
  model: Model | OnnxModel,
  data: DataFile,
  options: EvaluationOptions,
): Promise<Evaluation> {
  const { packing, maxTokens = Infinity, parent, batch } = options
  const { config } = model
  const positions = Math.min(config.maxPositions, parent?.config.maxPositions ?? Infinity)
  const length = options.sequenceLength ?? Math.min(512, positions)
  requirePositions(length, positions, '--sequence-length')
  if (parent) requireComparable(parent, model)
  const encoder = new DocumentEncoder(model.folder, config.vocabulary)
  // Before anything is computed.
  const tasks = options.tasks === undefined ? {} : await tasksFor(options.tasks, model, encoder)

  const judge = await judgeOf(model, parent, length, options)
  const total = { kl: 0, loss: 0, parentLoss: 0, top1: 0, tokens: 0, targets: 0, sequences: 0 }
  let empty = 0
  try {
    const packer = new Packer(packing, length, config.eos[0])
    for await (const rows of batches(
      sequences(data, encoder, packer, config, () => empty++),
      batch,
    )) {
      const found = await judge.compare(rows)
      for (const name of sumNames) total[name] += found[name]
      total.sequences += rows.length
      if (total.targets >= maxTokens) break
    }
    if (total.targets === 0)
      throw new Failure(
        'InvalidInput',
        `${data.path} contains no sequence of at least two tokens${empty > 0 ? ` (${leftOut(empty)})` : ''}`,
        {
          file: data.path,
          remedy: 'Give a file with text.',
        },
      )
    return {
      ...summary(total, parent !== undefined, model.folder),
      ...(empty > 0 && { empty }),
      ...(await answersOf(judge, tasks)),
    }
  } finally {
    await judge.release()
  }
}

/**
 * Measures a model, or the graph that it was exported as, on tasks alone.
 * @param tasks  as a spec names them
 * @throws Failure InvalidInput for a folder that is none
 */
export async function evaluateTasks(
  model: Model | OnnxModel,
  tasks: TasksInput,
  options: Pick<EvaluationOptions, 'batch' | 'threads' | 'parent'>,
): Promise<Answered> {
  const { parent } = options
  if (parent) requireComparable(parent, model)
  const items = await tasksFor(tasks, model, new DocumentEncoder(model.folder, model.config.vocabulary))
  // Items have lengths of their own; that of texts, of which there are none, is as short as can be.
  const judge = await judgeOf(model, parent, 2, options)
  try {
    return await answersOf(judge, items)
  } finally {
    await judge.release()
  }
}

async function judgeOf(
  model: Model | OnnxModel,
  parent: Model | OnnxModel | undefined,
  length: number,
  { batch, threads }: Pick<EvaluationOptions, 'batch' | 'threads'>,
): Promise<Judge> {
  if (model instanceof OnnxModel) return judgeByLogits(model, parent, length, threads)
  const own = cacheWeights(model)
  if (parent === undefined) return judgeByLayers(own, own, length, batch, threads)
  // One graph compares hidden states of one size.
  return parent instanceof OnnxModel || parent.config.hidden !== model.config.hidden
    ? judgeByLogits(own, parent, length, threads)
    : judgeByLayers(own, cacheWeights(parent), length, batch, threads)
}

/** Layer by layer, `batch` sequences at once; logits stay in native memory. */
async function judgeByLayers(
  own: Model,
  parent: Model,
  length: number,
  batch: number,
  threads: number,
): Promise<Judge> {
  const head = await Head.create(own, threads, parent)
  const parentHead = parent === own ? undefined : await Head.create(parent, threads)
  const forward = new Forward(batch, length, threads)
  return {
    async compare(rows) {
      const ids = new Int32Array(batch * length)
      const mask = new Float32Array(batch * length)
      for (const [row, own] of rows.entries()) {
        ids.set(own, row * length)
        mask.fill(1, row * length, row * length + own.length)
      }
      const last = async (of: Model) =>
        forward.layers(of, embed(await of.embedding(), of.config, ids), 0, of.config.layers)
      const hidden = await last(own)
      return head.compare(parent === own ? hidden : await last(parent), hidden, ids, mask, length)
    },
    own: respondentOf(own, head, threads),
    ...(parentHead && { parent: respondentOf(parent, parentHead, threads) }),
    async release() {
      await head.release()
      await parentHead?.release()
      await forward.release()
    },
  }
}

/** By what every model has, one sequence at a time. */
async function judgeByLogits(
  model: Model | OnnxModel,
  parent: Model | OnnxModel | undefined,
  length: number,
  threads: number,
): Promise<Judge> {
  const own = await LogitsOf.create(model, length, threads)
  const other =
    parent && (await LogitsOf.create(parent instanceof OnnxModel ? parent : cacheWeights(parent), length, threads))
  return {
    async compare(rows) {
      const total = { kl: 0, loss: 0, parentLoss: 0, top1: 0, tokens: 0, targets: 0 }
      for (const ids of rows) {
        const found = await compareLogits(ids, own, other)
        for (const name of sumNames) total[name] += found[name]
      }
      return total
    },
    own: byLogits(model, threads),
    ...(parent && { parent: byLogits(parent, threads) }),
    async release() {
      await own.release()
      await other?.release()
    },
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
  compared: boolean,
  folder: string,
): Evaluation {
  if (!Number.isFinite(loss) || !Number.isFinite(kl))
    throw new Failure('NonFinite', `${folder}: the loss on this text is ${loss / targets}`, {
      file: folder,
      remedy: 'Look for damaged or extreme weights.',
    })
  return {
    sequences,
    tokens: targets,
    loss: loss / targets,
    perplexity: Math.exp(loss / targets),
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

function requireComparable(parent: Model | OnnxModel, { folder, config }: Model | OnnxModel): void {
  if (parent.config.vocabulary === config.vocabulary) return
  throw new Failure(
    'InvalidInput',
    `${parent.folder} has a vocabulary of ${parent.config.vocabulary}, but ${folder} has one of ${config.vocabulary}`,
    { file: parent.folder, remedy: 'Compare a child with the parent that it descends from.' },
  )
}

async function* sequences(
  data: DataFile,
  encoder: DocumentEncoder,
  packer: Packer,
  { vocabulary }: { readonly vocabulary: number },
  onEmpty: () => void,
): AsyncGenerator<readonly number[]> {
  for await (const document of readDocuments(data, vocabulary)) {
    if (document.kind === 'empty') onEmpty()
    yield* packer.add(encoder.encode(document))
  }
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
