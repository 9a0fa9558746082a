import { slots, type Blocks, type JsonObject, type Slot } from '../../api/index.js'
import type { ModelConfig } from '../config.js'
import { endTensors, slotTensors } from '../names.js'
import { familyOf } from '../families/index.js'
import { llamaTensors } from '../families/tensors.js'
import { essential } from './spellings.js'

/** Block types that modeling_puzzleflow.py computes. */
const computed: Readonly<Record<Slot, readonly string[]>> = {
  attention: [
    'grouped-query',
    'fewer-heads',
    'sliding-window',
    'latent-attention',
    'linear-attention',
    'gated-linear-attention',
    'linear',
    'no-op',
  ],
  ffn: ['swiglu', 'low-rank', 'linear', 'no-op'],
}

/** Returns why modeling_puzzleflow.py cannot compute a model; undefined if it can. */
export function notComputed(config: ModelConfig, blocks: Blocks): string | undefined {
  const { layers } = familyOf(config, blocks).tensors
  const { embedding, norm, head } = endTensors(config, blocks)
  const { layers: usual, ...ends } = llamaTensors
  if (layers !== usual || embedding !== ends.embedding || norm !== ends.norm || head !== ends.head)
    return `the family ${config.family} has other names for its tensors`
  for (const [layer, own] of config.blocks.entries())
    for (const slot of slots)
      if (!computed[slot].includes(own[slot].block))
        return `layer ${layer} has the ${slot} block type ${own[slot].block} of a plugin`
  return undefined
}

/**
 * Describes a model for modeling_puzzleflow.py: sizes of the whole model, the distinct sub-blocks with their tensors, and the
 * sub-blocks of each layer. All of it follows from the rest of config.json; it spares the Python code the details of families.
 */
export function describeModel(config: ModelConfig, blocks: Blocks): JsonObject {
  const kinds: JsonObject[] = []
  const known = new Map<string, number>()
  const kindOf = (layer: number, slot: Slot): number => {
    const kind = describeSlot(config, blocks, layer, slot)
    const key = JSON.stringify(kind)
    if (!known.has(key)) known.set(key, kinds.push(kind) - 1)
    return known.get(key)!
  }
  const layers = config.blocks.map((_, layer) => ({
    attention: kindOf(layer, 'attention'),
    ffn: kindOf(layer, 'ffn'),
    rotary: config.layerRotary[layer] ?? 0,
  }))
  const { heads, headDim, normEps, normOffset, activation, embeddingScale, residualScale, logitsScale } = config
  const { attentionScale, attentionSoftcap, finalSoftcap } = config
  return {
    ...{ heads, headDim, normEps, normOffset, activation, embeddingScale, residualScale, logitsScale, attentionScale },
    ...(attentionSoftcap !== undefined && { attentionSoftcap }),
    ...(finalSoftcap !== undefined && { finalSoftcap }),
    rotaries: config.rotaries.map((rotary) => ({ ...rotary })),
    kinds,
    layers,
  }
}

function describeSlot(config: ModelConfig, blocks: Blocks, layer: number, slot: Slot): JsonObject {
  const prefix = `${familyOf(config, blocks).tensors.layers}${layer}.`
  const tensors: Record<string, readonly number[]> = {}
  const weights: Record<string, JsonObject> = {}
  for (const { name, shape, transpose, parts } of slotTensors(config, blocks, layer, slot)) {
    const tensor = name.slice(prefix.length)
    tensors[tensor] = shape
    const columns = shape.slice(1).reduce((n, d) => n * d, 1)
    for (const { weight, shape: own, start } of parts) {
      const first = start / columns
      const rows = transpose ? own[1]! : own[0]!
      weights[weight] = {
        tensor,
        transposed: transpose,
        ...(parts.length > 1 && { rows: [first, first + rows] }),
      }
    }
  }
  return { slot, ...essential(config.blocks[layer]![slot]), tensors, weights }
}
