import { cacheWeights, embed, Forward, Head, OnnxModel, type Model } from '../model/index.js'
import { Failure } from '../api/index.js'
import { compareLogits, LogitsOf, type Sums } from './evaluate-logits.js'
import { answersOf, byLogits, tasksFor, type Answered } from './evaluate-tasks.js'
import { respondentOf } from './respondent.js'
import type { Respondent } from './task-answers.js'
import { DocumentEncoder, readDocuments, type DataFile } from '../data/documents.js'
import { padded } from '../data/sequences.js'
import { beginOfText, leftOut, Packer, requirePositions, type BeginOfText, type Packing } from '../data/packing.js'
import type { TasksInput } from '../data/read-tasks.js'

export interface EvaluationOptions {
  /** Tokens per sequence, which limits the context of each token. @default the model's context, at most 512 */
  readonly sequenceLength?: number
  readonly packing: Packing
  /** Where the tokens stand that the tokenizer puts at the beginning of a text. @default sequences */
  readonly beginOfText?: BeginOfText
  /** Stops after the sequence that reaches this many tokens. @default all */
  readonly maxTokens?: number
  /** Tasks, as in a spec. @default none */
  readonly tasks?: TasksInput
  /** The model to compare with, which must have the same vocabulary. @default none */
  readonly parent?: Model | OnnxModel
  /** Number of sequences to compute at once. */
  readonly batch: number
  readonly threads: number
}

/** A model's results on a text: means in nats, over all tokens but the first of each sequence. */
export interface Evaluation extends Answered {
  readonly sequences: number
  /** Number of tokens that were predicted. */
  readonly tokens: number
  /** Mean negative log-likelihood. */
  readonly loss: number
  readonly perplexity: number
  /** Number of null and empty records, which were left out; absent if there were none. */
  readonly empty?: number
  /** Comparison with the parent at all positions: KL(parent || model), and the share with the same most likely token. */
  readonly comparison?: {
    readonly kl: number
    readonly top1: number
    readonly parentLoss: number
    readonly parentPerplexity: number
  }
}

/** Evaluates sequences up to a given length. */
interface Judge {
  /** Compares predictions. @param rows  sequences, at most as many as are computed at once */
  compare(rows: readonly (readonly number[])[]): Promise<Sums>
  /** What answers tasks: the model, and the parent that it is compared with. */
  readonly own: Respondent
  readonly parent?: Respondent
  release(): Promise<void>
}

const sumNames = ['kl', 'loss', 'parentLoss', 'top1', 'tokens', 'targets'] as const

/**
 * Measures a model, or its exported graph, on a file of text and on tasks. The file is streamed: memory holds one batch of
 * sequences, a chunk of logits, embedding and head, and up to 1 GiB of other weights.
 * @throws Failure InvalidInput for an unreadable file, or a parent with another vocabulary; NonFinite if the loss is not finite
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
  // Tasks are read first, so that mistakes are found before anything is computed.
  const tasks = options.tasks === undefined ? {} : await tasksFor(options.tasks, model, encoder)

  const judge = await judgeOf(model, parent, length, options)
  const total = { kl: 0, loss: 0, parentLoss: 0, top1: 0, tokens: 0, targets: 0, sequences: 0 }
  let empty = 0
  try {
    const packer = new Packer(packing, length, config.eos[0], beginOfText(options, encoder))
    for await (const rows of batches(
      sequences(data, encoder, packer, config, () => empty++),
      batch,
    )) {
      const sums = await judge.compare(rows)
      for (const name of sumNames) total[name] += sums[name]
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
 * Measures a model, or its exported graph, on tasks only.
 * @param tasks  as in a spec
 * @throws Failure InvalidInput if they cannot be read
 */
export async function evaluateTasks(
  model: Model | OnnxModel,
  tasks: TasksInput,
  options: Pick<EvaluationOptions, 'batch' | 'threads' | 'parent'>,
): Promise<Answered> {
  const { parent } = options
  if (parent) requireComparable(parent, model)
  const items = await tasksFor(tasks, model, new DocumentEncoder(model.folder, model.config.vocabulary))
  // Items have their own lengths. There are no texts, so their length is the smallest possible.
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
  const cached = cacheWeights(model)
  if (parent === undefined) return judgeByLayers(cached, cached, length, batch, threads)
  // The graph that compares hidden states requires the same size for both.
  return parent instanceof OnnxModel || parent.config.hidden !== model.config.hidden
    ? judgeByLogits(cached, parent, length, threads)
    : judgeByLayers(cached, cacheWeights(parent), length, batch, threads)
}

/** Evaluates layer by layer, `batch` sequences at once. Logits stay in native memory. */
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
      const { ids, mask } = padded(rows, batch, length)
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

/** Evaluates by logits, which every model has, one sequence at a time. */
async function judgeByLogits(
  model: Model | OnnxModel,
  parent: Model | OnnxModel | undefined,
  length: number,
  threads: number,
): Promise<Judge> {
  const modelLogits = await LogitsOf.create(model, length, threads)
  const other =
    parent && (await LogitsOf.create(parent instanceof OnnxModel ? parent : cacheWeights(parent), length, threads))
  return {
    async compare(rows) {
      const total = { kl: 0, loss: 0, parentLoss: 0, top1: 0, tokens: 0, targets: 0 }
      for (const ids of rows) {
        const sums = await compareLogits(ids, modelLogits, other)
        for (const name of sumNames) total[name] += sums[name]
      }
      return total
    },
    own: byLogits(model, threads),
    ...(parent && { parent: byLogits(parent, threads) }),
    async release() {
      await modelLogits.release()
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

/** Groups items into batches of `size`; the last batch may be smaller. */
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
