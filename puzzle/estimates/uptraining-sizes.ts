import type { JsonObject } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import { parameterCount } from '../costs.js'
import { isLayerwise, usualBounds } from '../layerwise/bounds.js'
import type { UptrainParams } from '../uptrain-params.js'
import { childShare } from './flops.js'
import { engineBytes, openBytes, slotSizes, trainedLayerBytes } from './memory.js'
import { bounded, type ExpectedReading } from './reading.js'

type Shaped = Pick<Model, 'config' | 'blocks'>

/** Bytes that an uptraining holds, in memory and in its checkpoint and other temporary files. */
export interface UptrainingSizes {
  readonly memory: number
  readonly temporary: number
}

/**
 * Estimates what an uptraining holds, by assuming that the child has half of the parent's size.
 *
 * @param params  of the stage; an expression that is not resolved yet counts as absent
 * @param read    undefined for a pipeline without `data`
 */
export function uptrainingSizes(
  model: Shaped,
  params: Partial<UptrainParams> | JsonObject,
  read: ExpectedReading | undefined,
): UptrainingSizes {
  const parent = parameterCount(model)
  const child = childShare * parent
  const { batch, layerwise, keepParentStates } = params
  const { length = 128, train = Infinity } = read ?? {}
  const tokens = Math.min(typeof batch === 'number' ? batch : 32, train) * length
  if (!isLayerwise(model, typeof layerwise === 'boolean' ? { layerwise } : {})) {
    // The child's weights, gradients and two moments; of these, all but the gradients are in a checkpoint.
    const weights = 4 * (parent + 4 * child)
    const inside = model.config.layers * trainedLayerBytes(model, tokens, length)
    return { memory: engineBytes + weights + inside, temporary: 4 * 3 * child }
  }
  const kept = keepParentStates === true ? bounded(train) * length : 0
  return { memory: layerwiseMemory(model, tokens), temporary: layerwiseDisk(model, child, tokens, kept) }
}

/** Weights and gradients of the largest slot, the head beside the embedding, a step's hidden states, and the stated bounds. */
const layerwiseMemory = (model: Shaped, tokens: number): number =>
  openBytes(model) +
  4 * (4 * Math.max(...slotSizes(model)) + 6 * tokens * model.config.hidden) +
  // The head beside the embedding, tied or not.
  2 * 4 * model.config.vocabulary * model.config.hidden +
  usualBounds.pass +
  usualBounds.spool

/** Weights and moments of a step and of the next, gradients, the inputs of slots and the gradients of states; and the parent's
 *  states of so many tokens, where they are kept. */
const layerwiseDisk = ({ config: { layers, hidden } }: Shaped, child: number, tokens: number, kept: number): number =>
  4 * ((2 * 3 + 1) * child + 3 * layers * tokens * hidden + layers * kept * hidden)
