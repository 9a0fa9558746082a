import type { Blocks, BlockChoice, BlockType, JsonObject, LayerFacts, Slot, Weights } from '../api/index.js'
import { weightsOf } from '../api/weights.js'
import {
  dequantise,
  elements,
  type Graph,
  quantise,
  quantisedBytes,
  type Bits,
  type QuantisedMatrix,
  type Value,
} from '../tensor/index.js'
import { buildBlock } from './block-graph.js'
import { slotShapes } from './build.js'
import { layerFacts, type ModelConfig } from './config.js'

/** The quantised matrices of a slot. */
export interface Quantisation {
  /** Bits per weight. */
  readonly bits: Bits
  /** Names of the matrices. */
  readonly names: ReadonlySet<string>
}

/** What decides the quantisation of a model's slots. */
type ModelShape = { readonly config: ModelConfig; readonly blocks: Blocks }

/** Returns which matrices of a slot are quantised; undefined if all weights are float32. */
export function quantisationOf({ config, blocks }: ModelShape, layer: number, slot: Slot): Quantisation | undefined {
  return quantisationOfChoice(blocks, slot, config.blocks[layer]![slot], layerFacts(config, layer))
}

/** The same as `quantisationOf`, for a block that may not be part of a model. */
export function quantisationOfChoice(
  blocks: Blocks,
  slot: Slot,
  { block, params }: BlockChoice,
  facts: LayerFacts,
): Quantisation | undefined {
  const kind = weightsOf(params)
  const type = blocks.get(slot, block)
  if (kind === 'float32' || type.empty) return undefined
  return { bits: kind === 'int8' ? 8 : 4, names: quantisable(type, facts, params) }
}

/** Rounds the quantised matrices of a slot to the values that their integers represent; such values do not change. */
export function rounded(weights: Weights, quantisation: Quantisation | undefined): Weights {
  if (!quantisation) return weights
  return Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [
      name,
      quantisation.names.has(name)
        ? { shape, data: dequantise(quantise(data, shape, quantisation.bits)) }
        : { shape, data },
    ]),
  )
}

/** Quantises matrices of a slot, by name. */
export function packed(weights: Weights, { bits, names }: Quantisation): Record<string, QuantisedMatrix> {
  return Object.fromEntries([...names].map((name) => [name, quantise(weights[name]!.data, weights[name]!.shape, bits)]))
}

/** Rounds trained weights of a slot in the graph (quantisation-aware training).
 *  @source Jacob et al., arXiv 1712.05877, section 3 */
export function roundedInGraph(
  g: Graph,
  values: Readonly<Record<string, Value>>,
  quantisation: Quantisation | undefined,
): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      quantisation?.names.has(name) ? g.fakeQuantise(value, quantisation.bits) : value,
    ]),
  )
}

/** Returns the size of a slot's weights in memory in bytes, with `norm`.
 *  @param width  bytes of a weight that is not quantised */
export function slotBytes(model: ModelShape, layer: number, slot: Slot, width = 4): number {
  const quantisation = quantisationOf(model, layer, slot)
  return Object.entries(slotShapes(model.config, layer, slot, model.blocks)).reduce(
    (n, [name, shape]) =>
      n +
      (quantisation?.names.has(name)
        ? quantisedBytes(shape as [number, number], quantisation.bits)
        : width * elements(shape)),
    0,
  )
}

const known = new WeakMap<BlockType, Map<string, ReadonlySet<string>>>()

/** Names of the matrices that a block uses only as right factors of products, with and without a past. */
function quantisable(type: BlockType, facts: LayerFacts, params: JsonObject): ReadonlySet<string> {
  const namesByKey = known.get(type) ?? new Map<string, ReadonlySet<string>>()
  known.set(type, namesByKey)
  const key = JSON.stringify([facts, params])
  let names = namesByKey.get(key)
  if (!names) {
    const [first, later] = [productsOnly(type, facts, params, false), productsOnly(type, facts, params, true)]
    namesByKey.set(key, (names = new Set(first.filter((name) => later.includes(name)))))
  }
  return names
}

/** Builds the block for a tiny chunk to see what uses its matrices. */
function productsOnly(type: BlockType, facts: LayerFacts, params: JsonObject, hasPast: boolean): string[] {
  const chunk = { batch: 1, length: hasPast ? 1 : 2, hasPast, wantState: true }
  const { g, weights } = buildBlock(type, facts, params, chunk)
  return Object.entries(type.shapes(facts, params)).flatMap(([name, shape]) => {
    const uses = g.uses(weights[name]!)
    const products = uses.filter(
      ({ node: { op, attributes }, position }) =>
        position === 1 && (op === 'MatMul' || (op === 'Gemm' && attributes.transA === 0 && attributes.transB === 0)),
    )
    return shape.length === 2 && uses.length > 0 && products.length === uses.length ? [name] : []
  })
}
