import { embed, Forward, Head, layerFacts, replaceBlocks, type Model, type Replacement } from '../../model/index.js'
import type { JsonObject, Slot } from '../../api/index.js'
import { blocks, openTiny } from './tiny.js'

/** A variant of a slot with its initial weights. */
async function variant(
  model: Model,
  layer: number,
  slot: Slot,
  block: string,
  params: JsonObject = {},
): Promise<Replacement> {
  const { norm, ...parent } = await model.weights(layer, slot)
  const type = blocks.get(slot, block)
  const own = await type.initialise(parent, layerFacts(model.config, layer), params, {})
  return { layer, slot, block, params, weights: type.empty ? {} : { norm: norm!, ...own } }
}

/** The model with a variant at one place. */
export const withVariant = async (model: Model, layer: number, slot: Slot, block: string, params: JsonObject) =>
  replaceBlocks(model, [await variant(model, layer, slot, block, params)])

/** A model of four layers in which every built-in block type occurs, and one that is still the parent's. */
export async function openMixed(fields: JsonObject = {}): Promise<Model> {
  const model = await openTiny({ num_hidden_layers: 4, ...fields })
  return replaceBlocks(
    model,
    await Promise.all([
      variant(model, 0, 'attention', 'grouped-query', { kvHeads: 1 }),
      variant(model, 0, 'ffn', 'swiglu', { width: 16 }),
      variant(model, 1, 'attention', 'no-op'),
      variant(model, 1, 'ffn', 'linear'),
      variant(model, 2, 'attention', 'linear'),
      variant(model, 2, 'ffn', 'no-op'),
    ]),
  )
}

/** Logits at all positions of one sequence without state: layer by layer, then the head. [tokens, vocabulary] */
export async function fullLogits(model: Model, ids: Int32Array): Promise<Float32Array[]> {
  const { layers, vocabulary } = model.config
  const forward = new Forward(1, ids.length)
  const head = await Head.create(model)
  const x = await forward.layers(model, embed(await model.embedding(), model.config, ids), 0, layers)
  const rows: Float32Array[] = []
  for await (const { count, logits } of head.logits(x))
    for (let i = 0; i < count; i++) rows.push(logits.slice(i * vocabulary, (i + 1) * vocabulary))
  await forward.release()
  await head.release()
  return rows
}

/** Position of the largest. */
export const largest = (row: Float32Array): number => row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity))

/** Largest difference, relative to the largest logit. */
export function difference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Infinity
  const size = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
  return expected.reduce((a, b, i) => Math.max(a, Math.abs(b - actual[i]!)), 0) / size
}

/** Rows one behind the other. */
export const flat = (rows: readonly ArrayLike<number>[]): Float32Array =>
  Float32Array.from(rows.flatMap((row) => Array.from(row)))
