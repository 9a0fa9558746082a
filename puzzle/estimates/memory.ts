import { cachedBytes, layerFacts, slotShapes, type Model } from '../../model/index.js'
import { slots, type BlockChoice, type Slot } from '../../api/index.js'
import { elements } from '../../tensor/index.js'
import { parameterCount } from '../costs.js'
import { measuredBatch } from '../evaluation.js'
import { childShare } from './flops.js'

// Bytes that a process holds at once, about: what `plan` shows, and what a worker waits for before it begins a task.

type Shaped = Pick<Model, 'config' | 'blocks'>

/** Bytes of the engine, of compiled code, and of memory that is not collected yet. */
export const engineBytes = 2 ** 29

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

/** Numbers of a slot's weights. */
const slotSize = ({ config, blocks }: Shaped, layer: number, slot: Slot): number =>
  sum(Object.values(slotShapes(config, layer, slot, blocks)).map(elements))

/** Numbers of each slot's weights. */
export const slotSizes = (model: Shaped): number[] =>
  model.config.blocks.flatMap((_, layer) => slots.map((slot) => slotSize(model, layer, slot)))

/** The engine, and the weights of layers that a process keeps. */
export const openBytes = (model: Shaped): number => engineBytes + Math.min(4 * sum(slotSizes(model)), cachedBytes)

/** Embedding and head. */
export const endsBytes = ({ config: { tied, vocabulary, hidden } }: Shaped): number =>
  (tied ? 1 : 2) * 4 * vocabulary * hidden

/** What a layer's graph holds for so many tokens, in sequences of `length`: states, heads' scores, the FFN's inside. */
export const layerBytes = (
  { config: { hidden, intermediate, heads } }: Shaped,
  tokens: number,
  length: number,
): number => 4 * tokens * (10 * hidden + 4 * intermediate + 2 * heads * length)

/** Training holds what the forward pass held, and gradients of it. */
export const trainedLayerBytes = (...args: Parameters<typeof layerBytes>): number => 2 * layerBytes(...args)

/**
 * Running models layer by layer, with their heads: scores, and children as wholes.
 * @param held   sequences whose hidden states are held
 * @param batch  sequences in a pass
 */
export const forwardBytes = (
  model: Shaped,
  { held, batch, length }: { readonly held: number; readonly batch: number; readonly length: number },
): number =>
  openBytes(model) +
  endsBytes(model) +
  // The parent's and a child's.
  2 * 4 * held * length * model.config.hidden +
  layerBytes(model, Math.min(held, batch) * length, length)

/** Decoders of a parent and a child, all of whose weights are in memory. */
export const pairBytes = (model: Shaped): number => 4 * (1 + childShare) * parameterCount(model)

/** Measuring a child beside its parent. @param sequences  held-out ones */
export const measuringBytes = (model: Shaped, sequences: number, length: number): number =>
  forwardBytes(model, { held: sequences, batch: measuredBatch, length }) + pairBytes(model)

/**
 * Training some blocks of a layer: weights, gradients and two moments; the rest of the layer; least squares for the widest matrix.
 * @returns the bytes of a lesson: of thousands, only what differs is counted again
 */
export function lessonBytes(
  model: Shaped,
  batch: number,
  length: number,
): (lesson: { readonly layer: number; readonly train: readonly (BlockChoice & { readonly slot: Slot })[] }) => number {
  const { config, blocks } = model
  const common = openBytes(model) + trainedLayerBytes(model, batch * length, length)
  const layers = config.blocks.map((_, layer) => sum(slots.map((slot) => slotSize(model, layer, slot))))
  return ({ layer, train }) => {
    const shapes = train.flatMap(({ slot, block, params }) =>
      Object.values(blocks.get(slot, block).shapes(layerFacts(config, layer), params)),
    )
    const features = Math.max(0, ...shapes.map((shape) => shape.at(-1) ?? 0))
    return (
      common +
      16 * sum(shapes.map(elements)) +
      4 * layers[layer]! +
      // A float64 matrix of the inputs' products and its factor; the products with the outputs.
      8 * (2 * features + config.hidden) * features
    )
  }
}
