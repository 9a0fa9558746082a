import { slotShapes, type Model, type ModelConfig } from '../model/index.js'
import { elements } from '../tensor/index.js'
import type { BlockChoice, Slot, Weights } from '../api/index.js'

/** The blocks of a layer. */
export type LayerBlocks = Readonly<Record<Slot, BlockChoice>>

export const empty: BlockChoice = { block: 'no-op', params: {} }

/**
 * Bytes of distinct weights that one model has at most, though never less than one block. More than any cache holds: a pass
 * fetches each weight from memory again, whether or not layers share it.
 */
const mostDistinct = 256 * 2 ** 20

/** A model with the parent's embedding and head, and blocks whose weights are made up: times do not depend on their values. */
export function madeUp(model: Model, blocks: readonly LayerBlocks[]): Model {
  const config: ModelConfig = { ...model.config, layers: blocks.length, blocks }
  const kinds = new Map<string, Weights[]>()
  const bytes = (shapes: Readonly<Record<string, readonly number[]>>) =>
    4 * Object.values(shapes).reduce((n, shape) => n + elements(shape), 0)
  return {
    ...model,
    config,
    async weights(layer, slot): Promise<Weights> {
      const shapes = slotShapes(config, layer, slot, model.blocks)
      const kind = `${slot} ${JSON.stringify(shapes)}`
      const known = kinds.get(kind) ?? []
      kinds.set(kind, known)
      const most = Math.max(1, Math.floor(mostDistinct / bytes(shapes)))
      const at = blocks.slice(0, layer).filter((own) => own[slot].block === blocks[layer]![slot].block).length
      return (known[at % most] ??= Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => [name, { shape, data: filled(elements(shape), layer) }]),
      ))
    },
  }
}

/** Numbers as small as weights are, neither zero nor denormal, that a processor could do faster or slower; others for each layer,
 *  because the engine would keep equal weights once. */
function filled(length: number, layer: number): Float32Array {
  const data = new Float32Array(length)
  const first = Math.min(length, 1021)
  for (let i = 0; i < first; i++) data[i] = 0.02 * (((i * 7919 + layer * 613) % 1021) / 510.5 - 1) || 0.01
  // By copies of what is there: as fast as memory.
  for (let done = first; done < length; done *= 2) data.copyWithin(done, 0, Math.min(done, length - done))
  return data
}

/** N layers that are alike. */
export const layersOf = (blocks: LayerBlocks, copies: number): LayerBlocks[] => Array<LayerBlocks>(copies).fill(blocks)

/** The model without blocks: embedding, final norm and head. */
export const withoutBlocks = (model: Model): Model => madeUp(model, [])
