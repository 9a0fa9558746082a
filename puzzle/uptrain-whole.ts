import { slots, type TaskContext } from '../api/index.js'
import { modelShapes, weightName, type Model } from '../model/index.js'
import { dequantise, quantise, Trainer, writeTensors, type Tensor } from '../tensor/index.js'
import { tensorsOf } from '../tensor/tensors-of.js'
import { gkdLoss, roundedWhere } from './gkd-loss.js'
import { trainWithCheckpoints, type CurvePoint } from './train-with-checkpoints.js'
import type { Uptraining } from './uptraining-plan.js'

/** Trains a child in one graph, with parent and child whole in memory.
 *  @param path  file of weights to write */
export async function uptrainWhole(
  { parent, child, skipped, params, plan }: Uptraining,
  context: Pick<TaskContext, 'threads' | 'checkpoint' | 'signal' | 'progress'>,
  path: string,
): Promise<CurvePoint[]> {
  const { batch, compared } = plan
  const { length } = plan.text
  const data = await child.norm()
  const norm = { shape: [data.length], data }
  const parentNorm: Tensor = { dtype: 'float32', dims: [parent.config.hidden], data: await parent.norm() }
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
      ...(plan.isSampled && { sample: { dtype: 'int32', shape: [compared] } }),
    },
    loss: (g, { parameters, frozen, batch: inputs }) =>
      gkdLoss(g, parent, child, parameters, frozen, inputs, { batch, length }, skipped, params.losses),
    optimiser: plan.optimiser,
    stepsPerCall: 4,
    threads: context.threads,
  })
  const curve = await trainWithCheckpoints({
    trainer,
    steps: plan.steps,
    stepsPerPoint: 8,
    pointsPerCheckpoint: 2,
    what: 'uptrain',
    checkpoint: context.checkpoint,
    signal: context.signal,
    progress: (fraction, message) => context.progress(fraction, message),
    batches: (start, count) => plan.batches(start, count),
  })
  const shapes = modelShapes(child.config, child.blocks)
  const final = roundedWhere(child, trainer.parameters(), (values, name, bits) =>
    dequantise(quantise(values, shapes[name]!, bits)),
  )
  const weights = Object.entries(final).map(([name, values]) => [name, { shape: shapes[name]!, data: values }] as const)
  await writeTensors(path, tensorsOf(Object.fromEntries(weights)))
  await trainer.release()
  return curve
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
