import { slots, type BlockContext, type Blocks, type LayerFacts, type Slot } from '../api/index.js'
import type { Graph, Value } from '../tensor/index.js'
import { checkResult } from './check-result.js'
import { layerFacts, rotaryOf, type LayerBlocks, type ModelConfig, type RotaryConfig } from './config.js'
import { rotaryTables } from './rotary.js'

type Values = Readonly<Record<string, Value>>

/** Weights of a layer's two slots, each with `norm` unless its block is empty. */
export interface LayerValues {
  readonly attention: Values
  readonly ffn: Values
}

/** Rotary tables of a chunk, [length, headDim]. */
export interface RotaryValues {
  readonly cos: Value
  readonly sin: Value
}

/** Inputs of a chunk of tokens, besides the weights. */
export type ChunkContext = Omit<BlockContext, 'facts' | 'past' | 'windowMasks' | 'rotary'> & {
  /** Tables of every rotary embedding of the model, in the order of `ModelConfig.rotaries`. */
  readonly rotaries: readonly RotaryValues[]
  readonly past?: { readonly attention?: Values; readonly ffn?: Values }
  readonly windowMasks?: { readonly attention: Values; readonly ffn: Values }
}

/** Applies one of the model's RMS norms, with the family's weight offset.
 *  @source Zhang and Sennrich, arXiv 1910.07467, eq. 4 */
export function slotNorm(
  g: Graph,
  x: Value,
  weight: Value,
  { normEps, normOffset = 0 }: Pick<LayerFacts, 'normEps' | 'normOffset'>,
): Value {
  return g.rmsNorm(x, normOffset === 0 ? weight : g.add(weight, g.scalar(normOffset, weight.dtype)), normEps)
}

/** Builds a slot: x + scale * post(block(norm(x))), or x if the block is empty. Most families have neither a scale nor a
 *  norm after the block.
 *  @param x  [batch * length, hidden]
 *  @throws Failure PluginBug if the block's `forward` returns other shapes than it declares */
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
  const { facts } = context
  const normalised = slotNorm(g, x, weights.norm!, facts)
  const result = type.forward(g, normalised, weights, choice.params, context)
  checkResult(type, x, result, choice.params, context)
  const { residualScale = 1 } = facts
  const after = weights.post ? slotNorm(g, result.y, weights.post, facts) : result.y
  const added = residualScale === 1 ? after : g.mul(after, g.scalar(residualScale, after.dtype))
  return { x: g.add(x, added), state: result.state ?? {} }
}

/** Builds one decoder layer.
 *  @param x  [batch * length, hidden]
 *  @throws Failure PluginBug if a block's `forward` returns other shapes than it declares */
export function buildLayer(
  g: Graph,
  x: Value,
  config: ModelConfig,
  layer: number,
  blocks: Blocks,
  weights: LayerValues,
  { past, windowMasks, rotaries, ...context }: ChunkContext,
): { x: Value; state: { attention: Values; ffn: Values } } {
  const state: { attention: Values; ffn: Values } = { attention: {}, ffn: {} }
  for (const slot of slots) {
    const before = past?.[slot]
    const slotContext = {
      facts: layerFacts(config, layer),
      rotary: rotaries[config.layerRotary[layer] ?? 0]!,
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

/** Adds a layer's rotary tables for positions 0..length-1 as constants, [length, headDim]. */
export const rotaryConstants = (g: Graph, config: ModelConfig, length: number, layer: number): RotaryValues =>
  tableConstants(g, config, length, rotaryOf(config, layer))

function tableConstants(g: Graph, config: ModelConfig, length: number, rotary: RotaryConfig): RotaryValues {
  const { cos, sin } = rotaryTables(rotary, config.headDim, 0, length)
  const shape = [length, config.headDim]
  return { cos: g.constant(cos, shape), sin: g.constant(sin, shape) }
}

/** Returns the name of a slot's weight in the whole model, such as `layers.3.ffn.up`. */
export const weightName = (layer: number, slot: Slot, weight: string): string => `layers.${layer}.${slot}.${weight}`

/** Returns the shapes of all weights of a model by name: `embedding`, `norm`, `head` (unless tied) and those of `weightName`.
 *  Matrices of slots are [in, out]; embedding and head are [vocabulary, hidden]. */
export function modelShapes(config: ModelConfig, blocks: Blocks): Record<string, readonly number[]> {
  const { vocabulary, hidden } = config
  const shapes: Record<string, readonly number[]> = { embedding: [vocabulary, hidden], norm: [hidden] }
  if (!config.tied) shapes.head = [vocabulary, hidden]
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of slots)
      for (const [name, shape] of Object.entries(slotShapes(config, layer, slot, blocks)))
        shapes[weightName(layer, slot, name)] = shape
  return shapes
}

/** Returns the shapes of a slot's weights by name, with `norm` and `post`; {} for an empty block. */
export function slotShapes(
  config: ModelConfig,
  layer: number,
  slot: Slot,
  blocks: Blocks,
): Record<string, readonly number[]> {
  const { block, params } = config.blocks[layer]![slot]
  const type = blocks.get(slot, block)
  if (type.empty) return {}
  const norms = { norm: [config.hidden], ...(config.postNorms && { post: [config.hidden] }) }
  return { ...norms, ...type.shapes(layerFacts(config, layer), params) }
}

/**
 * Builds a whole model without its head, for training.
 *
 * @param ids      int64 [batch * length]
 * @param weights  by the names of `modelShapes`
 * @returns hidden states before the final norm, and after every layer, [batch * length, hidden]
 */
export function buildModel(
  g: Graph,
  config: ModelConfig,
  blocks: Blocks,
  ids: Value,
  weights: Values,
  { batch, length }: { readonly batch: number; readonly length: number },
): { hidden: Value; layerOutputs: Value[] } {
  const rotaries = config.rotaries.map((own) => tableConstants(g, config, length, own))
  const context = { batch, length, rotaries, wantState: false }
  let x = embedded(g, config, weights.embedding!, ids)
  const layerOutputs: Value[] = []
  for (let layer = 0; layer < config.layers; layer++) {
    const of = (slot: Slot) => {
      const prefix = weightName(layer, slot, '')
      const entries = Object.entries(weights).filter(([name]) => name.startsWith(prefix))
      return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]))
    }
    x = buildLayer(g, x, config, layer, blocks, { attention: of('attention'), ffn: of('ffn') }, context).x
    layerOutputs.push(x)
  }
  return { hidden: x, layerOutputs }
}

/** Builds the input of the first layer, [ids, hidden].
 *  @param embedding  [vocabulary, hidden], or a quantised matrix [hidden, vocabulary] */
export function embedded(g: Graph, { embeddingScale }: ModelConfig, embedding: Value, ids: Value): Value {
  const x = g.isQuantised(embedding) ? g.quantisedRows(embedding, ids) : g.gather(embedding, ids, 0)
  return embeddingScale === 1 ? x : g.mul(x, g.scalar(embeddingScale, x.dtype))
}

/** Builds the final norm, times the model's logits scale. @param hidden  [rows, hidden] */
export function finalNorm(g: Graph, config: ModelConfig, hidden: Value, weight: Value): Value {
  const { logitsScale } = config
  const normed = slotNorm(g, hidden, weight, config)
  return logitsScale === 1 ? normed : g.mul(normed, g.scalar(logitsScale, normed.dtype))
}

/** Builds the logits, [rows, vocabulary], capped if the model has a softcap.
 *  @param normed  from `finalNorm`, [rows, hidden]
 *  @param head    [vocabulary, hidden], or a quantised matrix [hidden, vocabulary] */
export function logitsOf(g: Graph, { finalSoftcap }: ModelConfig, normed: Value, head: Value): Value {
  const logits = g.gemm(normed, head, { transB: !g.isQuantised(head) })
  return finalSoftcap === undefined ? logits : g.softcap(logits, finalSoftcap)
}
