import { layerFacts, type Model } from '../../model/index.js'
import { elements } from '../../tensor/index.js'
import { slots, type BlockChoice, type Slot } from '../../api/index.js'

// Floating-point operations, a multiply-add counted as two: what stages estimate their work by.

type Shaped = Pick<Model, 'config' | 'blocks'>

/** FLOPs of a block's forward pass per token: two for each number of a matrix, and attention's products with all keys of a
 *  sequence of `length` tokens. */
export function blockFlops(
  { config, blocks }: Shaped,
  layer: number,
  slot: Slot,
  { block, params }: BlockChoice,
  length: number,
): number {
  const type = blocks.get(slot, block)
  if (type.empty) return 0
  const facts = layerFacts(config, layer)
  const matrices = Object.values(type.shapes(facts, params)).filter((shape) => shape.length > 1)
  const products = matrices.reduce((n, shape) => n + 2 * elements(shape), 0)
  return slot === 'attention' ? products + 4 * length * facts.heads * facts.headDim : products
}

/** FLOPs of the model's own layers from one on, per token of sequences of `length` tokens. */
export function layersFlops(model: Shaped, length: number, from = 0): number {
  const layers = model.config.blocks.slice(from)
  return layers.reduce(
    (sum, own, i) => sum + slots.reduce((n, slot) => n + blockFlops(model, from + i, slot, own[slot], length), 0),
    0,
  )
}

/** FLOPs of the head per token. */
export const headFlops = ({ config: { vocabulary, hidden } }: Shaped): number => 2 * vocabulary * hidden

/** Share of the parent's work that a child is taken to have, before the search has chosen one. */
export const childShare = 0.5

/** FLOPs of training a child against its parent, per token: the parent's forward pass; the child's, and two backward, or three
 *  if layer by layer; the heads of both, and of the child's one backward, at a share of the tokens. */
export const gkdFlops = (model: Shaped, length: number, klTokens = 1, layerwise = false): number =>
  (1 + (layerwise ? 4 : 3) * childShare) * layersFlops(model, length) + 3 * klTokens * headFlops(model)
