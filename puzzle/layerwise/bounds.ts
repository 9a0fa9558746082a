import { slots, type Slot } from '../../api/index.js'
import { layerFacts, slotShapes, type Model } from '../../model/index.js'
import { parameterCount } from '../costs.js'
import type { UptrainParams } from '../uptrain-params.js'

type Shaped = Pick<Model, 'config' | 'blocks'>

/** Parents with more parameters are trained against layer by layer. The whole graph takes about 5 GB at this size. It is no part
 *  of a key: both ways give the same numbers to rounding, and neither depends on the machine. */
const mostWhole = 400e6

/** Whether one layer at a time is in memory. */
export const isLayerwise = (parent: Shaped, { layerwise }: Pick<UptrainParams, 'layerwise'>): boolean =>
  layerwise ?? parameterCount(parent) > mostWhole

/** What bounds the memory of a step besides weights. Constants, whatever the machine: sums are rounded in the order of the parts. */
export interface Bounds {
  /** Bytes that a slot's pass may take: it goes through so many sequences of a step at once. */
  readonly pass: number
  /** Bytes of a step's states and gradients that stay in memory; more of them go to files. */
  readonly spool: number
  /** Positions whose predictions are judged at once. */
  readonly headRows: number
}

export const usualBounds: Bounds = { pass: 2 ** 29, spool: 2 ** 29, headRows: 1024 }

/** Sequences that go through a slot at once: as many in every pass. */
export function sequencesAtOnce(
  models: readonly Shaped[],
  batch: number,
  length: number,
  { pass }: Pick<Bounds, 'pass'>,
): number {
  const numbers = Math.max(...models.flatMap((model) => everySlot(model, (...at) => activations(...at, length))))
  const most = Math.max(1, Math.floor(pass / (4 * numbers * length)))
  return Math.ceil(batch / Math.ceil(batch / most))
}

/** About how many numbers a slot's backward pass holds for each token. */
function activations(model: Shaped, layer: number, slot: Slot, length: number): number {
  const { hidden, heads } = layerFacts(model.config, layer)
  const outputs = matrices(model, layer, slot).reduce((n, shape) => n + shape.at(-1)!, 0)
  return 8 * hidden + 4 * outputs + (slot === 'attention' ? 4 * heads * length : 0)
}

const everySlot = <T>(model: Shaped, of: (model: Shaped, layer: number, slot: Slot) => T): T[] =>
  model.config.blocks.flatMap((_, layer) => slots.map((slot) => of(model, layer, slot)))

const matrices = ({ config, blocks }: Shaped, layer: number, slot: Slot) =>
  Object.values(slotShapes(config, layer, slot, blocks)).filter((shape) => shape.length > 1)
