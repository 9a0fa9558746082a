import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { layerFacts, replaceBlocks, type Model, type Replacement } from '../../model/index.js'
import type { JsonObject, Slot } from '../../api/index.js'
import { noise } from '../noise.js'
import { blocks, openTiny } from '../model/tiny.js'

export const root = join(import.meta.dirname, '../../../shared/fixtures/hf')
/** Reference checkpoints that GGUF can say; none where they are not beside this checkout. */
export const fixtures = [
  'llama',
  'llama-tied',
  'llama-bias',
  'llama-head-dim',
  'llama-linear-rope',
  'llama3-rope',
  'llama-bf16-sharded',
  'qwen2',
  'qwen3',
  'phi3',
  'granite',
  'gemma2',
  'gemma3-text',
].filter((name) => existsSync(join(root, name)))

type Choice = readonly [string, JsonObject]

const attention: readonly Choice[] = [
  ['linear', {}],
  ['grouped-query', { kvHeads: 2 }],
  ['grouped-query', { kvHeads: 1 }],
  ['no-op', {}],
  ['linear', {}],
  ['linear', {}],
  ['fewer-heads', { heads: 2, kvHeads: 1 }],
  ['no-op', {}],
  ['grouped-query', { kvHeads: 1 }],
  ['grouped-query', { kvHeads: 2 }],
  // As long as the context: as good as none.
  ['sliding-window', { window: 256, kvHeads: 2 }],
]

const ffn: readonly Choice[] = [
  ['swiglu', { width: 33 }],
  ['no-op', {}],
  ['linear', {}],
  ['linear', {}],
  ['swiglu', { width: 1 }],
  ['no-op', {}],
  ['low-rank', { rank: 6 }],
  ['no-op', {}],
  ['swiglu', { width: 40 }],
  ['swiglu', { width: 24 }],
  ['no-op', {}],
]

/** A child in which all blocks that GGUF can say follow each other in many ways, with random weights.
 *  @param fields  of config.json */
export async function openPuzzle(fields: JsonObject = {}): Promise<Model> {
  const model = await openTiny({ num_hidden_layers: attention.length, ...fields })
  const random = noise(5)
  const variant = async (layer: number, slot: Slot, [block, params]: Choice): Promise<Replacement> => {
    const type = blocks.get(slot, block)
    if (type.empty) return { layer, slot, block, params, weights: {} }
    const { norm } = await model.weights(layer, slot)
    const shapes = Object.entries(type.shapes(layerFacts(model.config, layer), params))
    const own = shapes.map(([name, shape]) => {
      const scale = shape.length === 1 ? 0.1 : 1.2 / Math.sqrt(shape.at(-2)!)
      const size = shape.reduce((n, d) => n * d, 1)
      return [name, { shape, data: Float32Array.from({ length: size }, () => scale * random()) }] as const
    })
    return { layer, slot, block, params, weights: { norm: norm!, ...Object.fromEntries(own) } }
  }
  // One after the other, so that each draws the same numbers every time.
  const all: Replacement[] = []
  for (const [layer, own] of attention.entries()) {
    all.push(await variant(layer, 'attention', own))
    all.push(await variant(layer, 'ffn', ffn[layer]!))
  }
  return replaceBlocks(model, all)
}
