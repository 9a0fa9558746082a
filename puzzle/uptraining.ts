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

/** How a whole child is trained. */
export interface UptrainParams {
  /** Without padding; text that has fewer is repeated. */
  readonly tokens: number
  readonly batch: number
  readonly learningRate: number
  readonly weightDecay: number
}

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
 * there is one, and writes its weights by the names of `modelShapes`.
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
  const norm = await child.norm()
  const parentNorm: Tensor = { dtype: 'float32', dims: [parent.config.hidden], data: await parent.norm() }
  const trainer = await Trainer.create({
    parameters: { ...(await layerWeights(child)), norm: { shape: [norm.length], data: norm } },
    frozen: { ...tensorsOf(await layerWeights(parent), 'parent.'), ...(await ends(parent)), parentNorm },
    batch: {
      ids: { dtype: 'int32', shape: [batch * length] },
      mask: { dtype: 'float32', shape: [batch * length] },
    },
    loss: (g, { parameters, frozen, batch: { ids, mask } }) =>
      gkdLoss(g, parent, child, parameters, frozen, ids!, mask!, { batch, length }, withinRuns(fillings)),
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
      return { ids: { dtype: 'int32', dims, data: ids }, mask: { dtype: 'float32', dims, data: mask } }
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
 * KL(parent || child). The parent is computed in the same graph.
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 5
 */
function gkdLoss(
  g: Graph,
  parent: Model,
  child: Model,
  trained: Values,
  frozen: Values,
  ids: Value,
  mask: Value,
  size: { batch: number; length: number },
  skipped: ReadonlySet<number>,
): { loss: Value; metrics: Values } {
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
  const kl = g.div(
    g.klHead(
      g.stopGradient(finalNorm(g, parent.config, teacher.hidden, frozen.parentNorm!)),
      finalNorm(g, child.config, student.hidden, trained.norm!),
      head,
      mask,
      child.config.finalSoftcap === undefined ? {} : { softcap: child.config.finalSoftcap },
    ),
    tokens,
  )
  return { loss: g.add(cosine, kl), metrics: { kl, cosine } }
}
