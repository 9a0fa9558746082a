import { layerFacts, replaceBlocks, type Model, type Replacement } from '../../model/index.js'
import type { JsonObject, Slot } from '../../api/index.js'
import { noise } from '../noise.js'
import { blocks, openTiny } from '../model/tiny.js'

type Choice = readonly [string, JsonObject]

/** Softmax attention and none: layers that see which tokens are padding. */
const softmax: readonly Choice[] = [
  ['grouped-query', { kvHeads: 1 }],
  ['sliding-window', { window: 6, kvHeads: 2 }],
  ['latent-attention', { rank: 10, rotated: 4 }],
  ['fewer-heads', { heads: 2, kvHeads: 1 }],
  ['linear', {}],
  ['no-op', {}],
  ['grouped-query', { kvHeads: 2 }],
]
const recurrent: readonly Choice[] = [
  ['linear-attention', { features: 4, kvHeads: 2 }],
  ['gated-linear-attention', { features: 4, kvHeads: 1 }],
]

/** A child in which every built-in block type occurs, with random weights. @param fields  of config.json */
export const openEvery = (fields: JsonObject = {}): Promise<Model> => openWith([...softmax, ...recurrent], fields)

/** The same without linear attention. */
export const openSoftmax = (fields: JsonObject = {}): Promise<Model> => openWith(softmax, fields)

/** A model with these attention blocks, one a layer. */
export async function openWith(attention: readonly Choice[], fields: JsonObject = {}): Promise<Model> {
  const ffn: readonly Choice[] = [
    ['swiglu', { width: 16 }],
    ['low-rank', { rank: 6 }],
    ['linear', {}],
    ['no-op', {}],
  ]
  const model = await openTiny({ num_hidden_layers: attention.length, ...fields })
  const random = noise(5)
  const variant = async (layer: number, slot: Slot, [block, params]: Choice): Promise<Replacement> => {
    const type = blocks.get(slot, block)
    if (type.empty) return { layer, slot, block, params, weights: {} }
    const { norm, post } = await model.weights(layer, slot)
    const shapes = Object.entries(type.shapes(layerFacts(model.config, layer), params))
    const own = shapes.map(([name, shape]) => {
      const scale = shape.length === 1 ? 0.1 : 1.2 / Math.sqrt(shape.at(-2)!)
      const size = shape.reduce((n, d) => n * d, 1)
      return [name, { shape, data: Float32Array.from({ length: size }, () => scale * random()) }] as const
    })
    return { layer, slot, block, params, weights: { norm: norm!, ...(post && { post }), ...Object.fromEntries(own) } }
  }
  // One after the other, so that each draws the same numbers every time.
  const all: Replacement[] = []
  for (const [layer, own] of attention.entries()) {
    all.push(await variant(layer, 'attention', own))
    all.push(await variant(layer, 'ffn', ffn[layer % ffn.length]!))
  }
  return replaceBlocks(model, all)
}
