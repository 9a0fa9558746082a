import { buildModel, finalNorm, modelShapes, quantisationOf, weightName, type Model } from '../model/index.js'
import {
  dequantise,
  quantise,
  Trainer,
  writeTensors,
  type Bits,
  type Graph,
  type Tensor,
  type Value,
} from '../tensor/index.js'
import { tensorsOf } from '../tensor/tensors-of.js'
import { shuffled } from '../tensor/random.js'
import { slots, type TaskContext } from '../api/index.js'
import { stepsFor, tokensOf, type Sequences } from '../data/sequences.js'
import type { Filling } from './library.js'
import { trainWithCheckpoints, type CurvePoint } from './train-with-checkpoints.js'

/** Terms of the loss that a whole child is trained by: the cosine distance of the hidden states after every layer, KL of the
 *  predictions from the parent's, and the cross-entropy of the next token in the text, without the parent. */
export const uptrainLosses = ['cosine', 'kl', 'lm'] as const

export type UptrainLoss = (typeof uptrainLosses)[number]

const usualLosses: readonly UptrainLoss[] = ['cosine', 'kl']

/** The losses in their usual order; undefined if they are the usual ones, which keys and results leave out. */
export function unusualLosses(losses: readonly UptrainLoss[] = usualLosses): readonly UptrainLoss[] | undefined {
  const sorted = uptrainLosses.filter((loss) => losses.includes(loss))
  return sorted.join() === usualLosses.join() ? undefined : sorted
}

/** How a whole child is trained. */
export interface UptrainParams {
  /** Without padding; text that has fewer is repeated. */
  readonly tokens: number
  readonly batch: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Whether the last norm stays as it is. @default false */
  readonly freezeNorm?: boolean
  /** The terms that are added up. @default cosine and kl */
  readonly losses?: readonly UptrainLoss[]
  /** Share of the tokens of a step at which predictions are compared. @default 1 */
  readonly klTokens?: number
}

/** How a child is trained, apart from how long: for those who train it on. What is usual is left out. */
export type Manner = Omit<UptrainParams, 'tokens' | 'freezeNorm'>

/** Picks the manner from parameters. */
export const mannerOf = ({ batch, learningRate, weightDecay, losses, klTokens }: Manner): Manner => ({
  ...{ batch, learningRate, weightDecay },
  ...(losses && { losses }),
  ...(klTokens !== undefined && { klTokens }),
})

/** What an uptraining came to: its last point, and its curve. */
export interface Uptrained {
  readonly steps: number
  /** Without padding. */
  readonly tokens: number
  readonly loss: number
  readonly kl: number
  readonly cosine: number
  readonly curve: readonly CurvePoint[]
}

/**
 * Trains all layers of a child to match its parent (global knowledge distillation; Puzzle, section 5), from its checkpoint if
 * there is one, and writes the weights that it trained by the names of `modelShapes`.
 * @param child     with the weights that it begins with
 * @param fillings  its blocks: hidden states within runs of layers are not compared
 * @param path      file of weights to write
 */
export async function uptrainChild(
  parent: Model,
  child: Model,
  fillings: readonly Filling[],
  text: Sequences,
  params: UptrainParams & { readonly seed: number },
  context: Pick<TaskContext, 'threads' | 'checkpoint' | 'signal' | 'progress'>,
  path: string,
): Promise<Uptrained> {
  const { length, count } = text
  const batch = Math.min(params.batch, count)
  const steps = stepsFor(params.tokens, batch, count, tokensOf(text))
  const order = shuffled(count, params.seed + 17)
  const data = await child.norm()
  const norm = { shape: [data.length], data }
  const parentNorm: Tensor = { dtype: 'float32', dims: [parent.config.hidden], data: await parent.norm() }
  const compared = Math.max(1, Math.round((params.klTokens ?? 1) * batch * length))
  const isSampled = compared < batch * length
  const trainer = await Trainer.create({
    parameters: { ...(await layerWeights(child)), ...(!params.freezeNorm && { norm }) },
    frozen: {
      ...tensorsOf(await layerWeights(parent), 'parent.'),
      ...(await ends(parent)),
      parentNorm,
      ...(params.freezeNorm && tensorsOf({ norm })),
    },
    batch: {
      ids: { dtype: 'int32', shape: [batch * length] },
      mask: { dtype: 'float32', shape: [batch * length] },
      ...(isSampled && { sample: { dtype: 'int32', shape: [compared] } }),
    },
    loss: (g, { parameters, frozen, batch: inputs }) =>
      gkdLoss(g, parent, child, parameters, frozen, inputs, { batch, length }, withinRuns(fillings), params.losses),
    optimiser: {
      learningRate: params.learningRate,
      weightDecay: params.weightDecay,
      totalSteps: steps,
      warmupSteps: Math.min(20, Math.ceil(steps / 10)),
      finalFraction: 0.05,
    },
    stepsPerCall: 4,
    threads: context.threads,
  })
  const curve = await trainWithCheckpoints({
    trainer,
    steps,
    stepsPerPoint: 8,
    pointsPerCheckpoint: 2,
    what: 'uptrain',
    checkpoint: context.checkpoint,
    signal: context.signal,
    progress: (fraction, message) => context.progress(fraction, message),
    batches(start, count) {
      const tokens = batch * length
      const ids = new Int32Array(count * tokens)
      const mask = new Float32Array(count * tokens)
      for (let i = 0; i < count * batch; i++) {
        const from = order[(start * batch + i) % order.length]! * length
        ids.set(text.ids.subarray(from, from + length), i * length)
        mask.set(text.mask.subarray(from, from + length), i * length)
      }
      const dims = [count, tokens]
      const sample = isSampled && samples(tokens, compared, params.seed, start, count)
      return {
        ids: { dtype: 'int32', dims, data: ids },
        mask: { dtype: 'float32', dims, data: mask },
        ...(sample && { sample: { dtype: 'int32', dims: [count, compared], data: sample } }),
      }
    },
  })
  const shapes = modelShapes(child.config, child.blocks)
  const final = roundedWhere(child, trainer.parameters(), (data, name, bits) =>
    dequantise(quantise(data, shapes[name]!, bits)),
  )
  const weights = Object.entries(final).map(([name, data]) => [name, { shape: shapes[name]!, data }] as const)
  await writeTensors(path, tensorsOf(Object.fromEntries(weights)))
  await trainer.release()
  const { loss, kl, cosine } = curve.at(-1)!
  return { steps, tokens: tokensSeen(text, order, steps * batch), loss, kl: kl!, cosine: cosine!, curve }
}

/** For each of `count` steps from `start` on, `size` of the positions of a step: [count * size]. */
function samples(tokens: number, size: number, seed: number, start: number, count: number): Int32Array {
  const chosen = new Int32Array(count * size)
  for (let i = 0; i < count; i++)
    chosen.set(
      shuffled(tokens, seed * 1000003 + start + i)
        .subarray(0, size)
        .sort(),
      i * size,
    )
  return chosen
}

/** Tokens, padding not counted, of the first `sequences` in this order, over and over. */
function tokensSeen({ mask, length, count }: Sequences, order: Uint32Array, sequences: number): number {
  const tokens = Array.from({ length: count }, (_, i) =>
    tokensOf({ mask: mask.subarray(i * length, (i + 1) * length) }),
  )
  let seen = 0
  for (let i = 0; i < sequences; i++) seen += tokens[order[i % count]!]!
  return seen
}

/** Rounds those weights that are integers in memory. Weights are by the names of `modelShapes`. */
function roundedWhere<T>(
  model: Model,
  weights: Readonly<Record<string, T>>,
  round: (value: T, name: string, bits: Bits) => T,
): Record<string, T> {
  const all = { ...weights }
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of slots) {
      const { bits = 8, names = [] } = quantisationOf(model, layer, slot) ?? {}
      for (const own of names) {
        const name = weightName(layer, slot, own)
        all[name] = round(weights[name]!, name, bits)
      }
    }
  return all
}

/** Reads the weights of all slots, by the names of `modelShapes`. */
async function layerWeights(model: Model): Promise<Record<string, { shape: readonly number[]; data: Float32Array }>> {
  const all: Record<string, { shape: readonly number[]; data: Float32Array }> = {}
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of slots)
      for (const [name, weight] of Object.entries(await model.weights(layer, slot)))
        all[weightName(layer, slot, name)] = weight
  return all
}

/** Reads the embedding and, unless it is tied, the head. */
async function ends(model: Model): Promise<Record<string, Tensor>> {
  const { vocabulary, hidden, tied } = model.config
  const matrix = (data: Float32Array): Tensor => ({ dtype: 'float32', dims: [vocabulary, hidden], data })
  return { embedding: matrix(await model.embedding()), ...(tied ? {} : { head: matrix(await model.head()) }) }
}

/** Layers inside runs: after them, the child's hidden states do not correspond to the parent's. */
const withinRuns = (fillings: readonly Filling[]): ReadonlySet<number> =>
  new Set(fillings.flatMap(({ layer, span = 1 }) => Array.from({ length: span - 1 }, (_, i) => layer + i)))

type Values = Readonly<Record<string, Value>>

/**
 * Builds the loss: the mean over tokens of the sum over layers of 1 - cos(parent, child), plus the mean over tokens of
 * KL(parent || child), or over a sample of them, unless other terms are asked for. The parent is computed in the same graph.
 *
 * @param inputs  ids and mask, [batch * length], and the positions of the sample, if there is one
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 5
 */
function gkdLoss(
  g: Graph,
  parent: Model,
  child: Model,
  trained: Values,
  frozen: Values,
  inputs: Values,
  size: { batch: number; length: number },
  skipped: ReadonlySet<number>,
  losses: readonly UptrainLoss[] = usualLosses,
): { loss: Value; metrics: Values } {
  const [ids, mask] = [inputs.ids!, inputs.mask!]
  const own = Object.fromEntries(
    Object.entries(frozen)
      .filter(([name]) => name.startsWith('parent.'))
      .map(([name, value]) => [name.slice('parent.'.length), value]),
  )
  const embedding = frozen.embedding!
  const teacher = buildModel(g, parent.config, parent.blocks, ids, { ...own, embedding }, size)
  const learning = roundedWhere(child, trained, (value, _, bits) => g.fakeQuantise(value, bits))
  const student = buildModel(g, child.config, child.blocks, ids, { ...learning, embedding }, size)
  const tokens = g.sum(mask)
  const dot = (a: Value, b: Value) => g.sum(g.mul(a, b), [1])
  let cosine = g.scalar(0, 'float32')
  for (const [layer, t] of teacher.layerOutputs.entries()) {
    if (skipped.has(layer)) continue
    const s = student.layerOutputs[layer]!
    const target = g.stopGradient(t)
    const norms = g.sqrt(g.add(g.mul(dot(target, target), dot(s, s)), g.scalar(1e-12, 'float32')))
    const term = g.sub(g.scalar(1, 'float32'), g.div(dot(target, s), norms))
    cosine = g.add(cosine, g.div(g.sum(g.mul(term, mask)), tokens))
  }
  const head = frozen.head ?? embedding
  const softcap = child.config.finalSoftcap === undefined ? {} : { softcap: child.config.finalSoftcap }
  const taught = g.stopGradient(finalNorm(g, parent.config, teacher.hidden, frozen.parentNorm!))
  const hidden = finalNorm(g, child.config, student.hidden, (trained.norm ?? frozen.norm)!)
  const sample = inputs.sample && g.cast(inputs.sample, 'int64')
  const sampled = (value: Value) => (sample ? g.gather(value, sample) : value)
  const counted = sampled(mask)
  // A sample may consist of padding alone.
  const compared = sample ? g.maximum(g.sum(counted), g.scalar(1, 'float32')) : tokens
  const kl = g.div(g.klHead(sampled(taught), sampled(hidden), head, counted, softcap), compared)
  const terms: Partial<Record<UptrainLoss, Value>> = { cosine, kl }
  if (losses.includes('lm')) {
    const next = following(g, ids, mask, size)
    terms.lm = g.div(g.crossEntropyHead(hidden, head, next.ids, next.mask, softcap), g.sum(next.mask))
  }
  const wanted = uptrainLosses.filter((name) => losses.includes(name)).map((name) => terms[name]!)
  return { loss: wanted.reduce((a, b) => g.add(a, b)), metrics: { kl, cosine, ...(terms.lm && { lm: terms.lm }) } }
}

/** The next token of every position, int64 [tokens], and whether there is one: 1, or 0 at the end of a text. */
function following(
  g: Graph,
  ids: Value,
  mask: Value,
  { batch, length }: { batch: number; length: number },
): { ids: Value; mask: Value } {
  const shifted = (value: Value) => {
    const rows = g.slice(g.reshape(value, [batch, length]), 1, 1, length)
    return g.reshape(g.concat([rows, g.zeros([batch, 1], value.dtype)], 1), [batch * length])
  }
  return { ids: shifted(g.cast(ids, 'int64')), mask: shifted(mask) }
}
