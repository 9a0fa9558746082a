import { join } from 'node:path'
import { buildModel, finalNorm, modelShapes, quantisationOf, weightName, type Model } from '../../model/index.js'
import {
  dequantise,
  quantise,
  Trainer,
  writeTensors,
  type Bits,
  type Graph,
  type Tensor,
  type Value,
} from '../../tensor/index.js'
import { tensorsOf } from '../../tensor/tensors-of.js'
import { slots, type ArtifactRef, type FanOutStage, type Files } from '../../api/index.js'
import type { DistillOutputs, PrepareOutputs, SelectOutputs, UptrainOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput } from '../../puzzle/inputs.js'
import { parameterCount } from '../../puzzle/costs.js'
import { asTask, assemble, chosenEntries, readJson, type Filling } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import { shuffled } from '../../tensor/random.js'
import { openParent } from '../../puzzle/parent.js'
import { readSequences, stepsFor, tokensOf } from '../../data/sequences.js'
import { trainWithCheckpoints } from '../../puzzle/train-with-checkpoints.js'
import { batch, learningRate, weightDecay } from '../../puzzle/parameters.js'

interface UptrainParams {
  readonly tokens: number
  readonly batch: number
  readonly learningRate: number
  readonly weightDecay: number
}

interface UptrainTask {
  readonly params: UptrainParams & { readonly fillings: readonly Filling[] }
  /** Weights by entry, and the text. */
  readonly inputs: Files & { readonly train: ArtifactRef }
  readonly outputs: UptrainOutputs
}

/**
 * Global knowledge distillation (GKD): all layers of the child learn from the parent, by the cosine similarity of the hidden
 * states after every layer and the KL of predictions. Embedding and head do not change. Weights that are integers in memory are
 * rounded in every step, and the gradient passes unchanged (straight-through estimator).
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 5
 */
export const uptrain: FanOutStage<
  UptrainParams,
  { readonly prepare: PrepareOutputs; readonly distill: DistillOutputs; readonly select: SelectOutputs },
  UptrainOutputs,
  UptrainTask,
  ModelInput
> = {
  name: 'uptrain',
  // 3: tokens are counted without padding.
  version: 3,
  reads: [],
  taskReads: ['model'],
  exclusive: true,
  about: { summary: 'Trains the whole child to match the parent’s predictions.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      tokens: {
        description: 'Tokens to train the child on, padding not counted; text that has fewer is repeated.',
        quantity: 'tokens',
        default: 10000000,
      },
      batch: batch(32, 'Sequences per step.'),
      learningRate: { ...learningRate, default: 0.001 },
      weightDecay: { ...weightDecay, default: 0.01 },
    },
  },

  /** Estimates disk space for the child's weights and a checkpoint with two moments of each, and memory for these and the
   *  gradients, by assuming that the child has half of the parent's size. */
  async resources(context) {
    const parent = parameterCount(await openParent(context))
    return { disk: 4 * 4 * (parent / 2), memory: 4 * (parent + 4 * (parent / 2)) }
  },

  /** Plans one task. It depends only on the chosen blocks, and not on the others in the space. */
  async plan(context) {
    const { params, stages } = context
    const solution = await readJson(context, stages.select.files.selected)
    const { fillings, inputs } = asTask(chosenEntries(await readLibrary(context), solution.choice))
    return [
      {
        id: 'child',
        label: 'the selected child',
        params: { ...params, fillings },
        inputs: { ...inputs, train: stages.prepare.files.train },
      },
    ]
  },

  async run(context) {
    const { task, seed } = context
    const { params } = task
    const parent = await openParent(context)
    const child = assemble(parent, params.fillings, task.inputs, context)
    const train = await readSequences(context, task.inputs.train)
    const { length } = train
    const batch = Math.min(params.batch, train.count)
    const tokenCounts = Array.from({ length: train.count }, (_, i) =>
      tokensOf({ mask: train.mask.subarray(i * length, (i + 1) * length) }),
    )
    const steps = stepsFor(params.tokens, batch, train.count, tokensOf(train))
    const order = shuffled(train.count, seed + 17)

    const trained = await layerWeights(child)
    const norm: Tensor = { dtype: 'float32', dims: [parent.config.hidden], data: await parent.norm() }
    const trainer = await Trainer.create({
      parameters: { ...trained, norm: { shape: norm.dims, data: norm.data as Float32Array } },
      frozen: { ...tensorsOf(await layerWeights(parent), 'parent.'), ...(await ends(parent)), parentNorm: norm },
      batch: {
        ids: { dtype: 'int32', shape: [batch * length] },
        mask: { dtype: 'float32', shape: [batch * length] },
      },
      loss: (g, { parameters, frozen, batch: { ids, mask } }) =>
        gkdLoss(g, parent, child, parameters, frozen, ids!, mask!, { batch, length }, withinRuns(params.fillings)),
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
          const from = order[(start * batch + i) % train.count]! * length
          ids.set(train.ids.subarray(from, from + length), i * length)
          mask.set(train.mask.subarray(from, from + length), i * length)
        }
        const dims = [count, tokens]
        return { ids: { dtype: 'int32', dims, data: ids }, mask: { dtype: 'float32', dims, data: mask } }
      },
    })
    const path = join(context.scratch, 'child')
    const shapes = modelShapes(child.config, child.blocks)
    const final = roundedWhere(child, trainer.parameters(), (data, name, bits) =>
      dequantise(quantise(data, shapes[name]!, bits)),
    )
    const weights = Object.entries(final).map(([name, data]) => [name, { shape: shapes[name]!, data }] as const)
    await writeTensors(path, tensorsOf(Object.fromEntries(weights)))
    await trainer.release()
    const last = curve.at(-1)!
    let seen = 0
    for (let i = 0; i < steps * batch; i++) seen += tokenCounts[order[i % train.count]!]!
    return {
      values: { steps, tokens: seen, loss: last.loss, kl: last.kl!, cosine: last.cosine! },
      files: {
        child: await context.putFile('weights', path),
        curve: await context.put('curve', curve),
      },
    }
  },

  gather: async ({ tasks }) => tasks[0]!.outputs,
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
      for (const weight of names) {
        const name = weightName(layer, slot, weight)
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
  const parentWeights = Object.fromEntries(
    Object.entries(frozen)
      .filter(([name]) => name.startsWith('parent.'))
      .map(([name, value]) => [name.slice('parent.'.length), value]),
  )
  const embedding = frozen.embedding!
  const teacher = buildModel(g, parent.config, parent.blocks, ids, { ...parentWeights, embedding }, size)
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
