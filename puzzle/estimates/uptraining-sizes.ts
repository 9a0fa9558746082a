import { slots, type JsonObject } from '../../api/index.js'
import { slotShapes, type Model } from '../../model/index.js'
import { elements } from '../../tensor/index.js'
import { parameterCount } from '../costs.js'
import { isLayerwise, usualBounds } from '../layerwise/bounds.js'
import type { UptrainParams } from '../uptrain-params.js'
import { childShare } from './flops.js'
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
  // The child's weights, gradients and two moments; of these, all but the gradients are in a checkpoint.
  if (!isLayerwise(model, typeof layerwise === 'boolean' ? { layerwise } : {}))
    return { memory: 4 * (parent + 4 * child), temporary: 4 * 3 * child }
  const { length = 128, train = Infinity } = read ?? {}
  const tokens = Math.min(typeof batch === 'number' ? batch : 32, train) * length
  const kept = keepParentStates === true ? bounded(train) * length : 0
  return { memory: layerwiseMemory(model, tokens), temporary: layerwiseDisk(model, child, tokens, kept) }
}

/** Bytes of the parent's weights that stay in memory: `cacheWeights`. */
const cachedBytes = 2 ** 30

/** Bytes of the engine, of compiled code, and of memory that is not collected yet. */
const engineBytes = 2 ** 29

/** Weights and gradients of the largest slot, the head beside the embedding, a step's hidden states, and the stated bounds. */
function layerwiseMemory({ config, blocks }: Shaped, tokens: number): number {
  const { hidden, vocabulary } = config
  const sizes = config.blocks.flatMap((_, layer) =>
    slots.map((slot) =>
      Object.values(slotShapes(config, layer, slot, blocks)).reduce((n, own) => n + elements(own), 0),
    ),
  )
  const weights = Math.min(4 * parameterCount({ config, blocks }), cachedBytes)
  return (
    4 * (4 * Math.max(...sizes) + 2 * vocabulary * hidden + 6 * tokens * hidden) +
    weights +
    usualBounds.pass +
    usualBounds.spool +
    engineBytes
  )
}

/** Weights and moments of a step and of the next, gradients, the inputs of slots and the gradients of states; and the parent's
 *  states of so many tokens, where they are kept. */
const layerwiseDisk = ({ config: { layers, hidden } }: Shaped, child: number, tokens: number, kept: number): number =>
  4 * ((2 * 3 + 1) * child + 3 * layers * tokens * hidden + layers * kept * hidden)
