import type { BlockChoice, Slot, Weights } from '../api/index.js'
import type { Model } from './model.js'

/** A new sub-block for a slot. */
export interface Replacement extends BlockChoice {
  /** Index of the layer. */
  readonly layer: number
  /** The slot to replace. */
  readonly slot: Slot
  /** Its weights with `norm`; {} for an empty block. A function is called when they are needed. */
  readonly weights: Weights | (() => Promise<Weights>)
}

/** Returns a view of a model with sub-blocks replaced; nothing is copied. */
export function replaceBlocks(model: Model, replacements: readonly Replacement[]): Model {
  const at = new Map(replacements.map((r) => [`${r.layer}/${r.slot}`, r]))
  const blocks = model.config.blocks.map((own, layer) => {
    const choice = (slot: Slot): BlockChoice => {
      const { block, params } = at.get(`${layer}/${slot}`) ?? own[slot]
      return { block, params }
    }
    return { attention: choice('attention'), ffn: choice('ffn') }
  })
  return {
    ...model,
    config: { ...model.config, blocks },
    async weights(layer, slot) {
      const replacement = at.get(`${layer}/${slot}`)
      if (!replacement) return model.weights(layer, slot)
      return typeof replacement.weights === 'function' ? replacement.weights() : replacement.weights
    },
  }
}
