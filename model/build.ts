import type { BlockContext, Blocks, Slot } from '../plugins/api/index.js'
import type { Graph, Value } from '../tensor/index.js'
import { checkResult } from './check-result.js'
import { layerFacts, type LayerBlocks, type ModelConfig } from './config.js'
import { rotaryTables } from './rotary.js'

type Values = Readonly<Record<string, Value>>

/** Weights of a layer's two slots, each with `norm` unless the block is empty. */
export interface LayerValues {
  readonly attention: Values
  readonly ffn: Values
}

/** What a chunk of tokens needs beside the weights. */
export type ChunkContext = Omit<BlockContext, 'facts' | 'past' | 'windowMasks'> & {
  readonly past?: { readonly attention?: Values; readonly ffn?: Values }
  readonly windowMasks?: { readonly attention: Values; readonly ffn: Values }
}

/** A slot: x + block(norm(x)), or x itself where the block is empty. */
export function buildSlot(
  g: Graph,
  x: Value,
  slot: Slot,
  blocks: Blocks,
  choice: LayerBlocks[Slot],
  weights: Values,
  context: BlockContext,
): { x: Value; state: Values } {
  const type = blocks.get(slot, choice.block)
  if (type.empty) return { x, state: {} }
  const normalised = g.rmsNorm(x, weights.norm!, context.facts.normEps)
  const result = type.forward(g, normalised, weights, choice.params, context)
  checkResult(type, x, result, choice.params, context)
  return { x: g.add(x, result.y), state: result.state ?? {} }
}

/** One decoder layer. x: [batch * length, hidden]. */
export function buildLayer(
  g: Graph,
  x: Value,
  config: ModelConfig,
  layer: number,
  blocks: Blocks,
  weights: LayerValues,
  { past, windowMasks, ...context }: ChunkContext,
): { x: Value; state: { attention: Values; ffn: Values } } {
  const state: { attention: Values; ffn: Values } = { attention: {}, ffn: {} }
  for (const slot of ['attention', 'ffn'] as const) {
    const before = past?.[slot]
    const slotContext = {
      facts: layerFacts(config, layer),
      ...context,
      ...(before && { past: before }),
      ...(windowMasks && { windowMasks: windowMasks[slot] }),
    }
    const result = buildSlot(g, x, slot, blocks, config.blocks[layer]![slot], weights[slot], slotContext)
    x = result.x
    state[slot] = result.state
  }
  return { x, state }
}

/** The rotary tables of positions 0..length-1 as constants. */
export function rotaryConstants(g: Graph, config: ModelConfig, length: number): { cos: Value; sin: Value } {
  const { cos, sin } = rotaryTables(config.rotary, config.headDim, 0, length)
  const shape = [length, config.headDim]
  return { cos: g.constant(cos, shape), sin: g.constant(sin, shape) }
}

/** Name of a slot's weight among a whole model's: `layers.3.ffn.up`. */
export const weightName = (layer: number, slot: Slot, weight: string): string => `layers.${layer}.${slot}.${weight}`

/** Shapes of all weights of a model by name: `embedding`, `norm`, `head` (unless tied) and those of `weightName`. */
export function modelShapes(config: ModelConfig, blocks: Blocks): Record<string, readonly number[]> {
  const { vocabulary, hidden } = config
  const shapes: Record<string, readonly number[]> = { embedding: [vocabulary, hidden], norm: [hidden] }
  if (!config.tied) shapes.head = [vocabulary, hidden]
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const [name, shape] of Object.entries(slotShapes(config, layer, slot, blocks)))
        shapes[weightName(layer, slot, name)] = shape
  return shapes
}

/** Shapes of a slot's weights, `norm` included. */
export function slotShapes(
  config: ModelConfig,
  layer: number,
  slot: Slot,
  blocks: Blocks,
): Record<string, readonly number[]> {
  const { block, params } = config.blocks[layer]![slot]
  const type = blocks.get(slot, block)
  return type.empty ? {} : { norm: [config.hidden], ...type.shapes(layerFacts(config, layer), params) }
}

/**
 * A whole model without its head, for training.
 * @param ids      int64 [batch * length]
 * @param weights  by the names of `modelShapes`
 * @returns hidden states before the last norm, and after every layer, [batch * length, hidden]
 */
export function buildModel(
  g: Graph,
  config: ModelConfig,
  blocks: Blocks,
  ids: Value,
  weights: Values,
  { batch, length }: { readonly batch: number; readonly length: number },
): { hidden: Value; layerOutputs: Value[] } {
  const context = { batch, length, rotary: rotaryConstants(g, config, length), wantState: false }
  let x = g.gather(weights.embedding!, ids, 0)
  const layerOutputs: Value[] = []
  for (let layer = 0; layer < config.layers; layer++) {
    const of = (slot: Slot) => {
      const prefix = weightName(layer, slot, '')
      const own = Object.entries(weights).filter(([name]) => name.startsWith(prefix))
      return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]))
    }
    x = buildLayer(g, x, config, layer, blocks, { attention: of('attention'), ffn: of('ffn') }, context).x
    layerOutputs.push(x)
  }
  return { hidden: x, layerOutputs }
}

/** After the last layer: the norm before the head. */
export function finalNorm(g: Graph, config: ModelConfig, hidden: Value, weight: Value): Value {
  return g.rmsNorm(hidden, weight, config.normEps)
}
