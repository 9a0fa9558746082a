import type { Blocks, Slot } from '../api/index.js'
import { elements } from '../tensor/index.js'
import { slotShapes } from './build.js'
import type { ModelConfig } from './config.js'
import { familyOf } from './families/index.js'

/** Transposes [rows, columns] to [columns, rows]. Tiles are as wide as a line of the processor's cache: larger ones are twice
 *  as slow, since columns of a matrix whose rows are a multiple of 4 KiB evict each other from the cache. */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length)
  const tile = 16
  for (let r0 = 0; r0 < rows; r0 += tile)
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const [r1, c1] = [Math.min(r0 + tile, rows), Math.min(c0 + tile, columns)]
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) out[c * rows + r] = data[r * columns + c]!
    }
  return out
}

/** A weight inside a checkpoint's tensor. */
export interface TensorPart {
  /** Name of the weight in its slot, such as `up`. */
  readonly weight: string
  /** Shape of the weight; matrices are [in, out]. */
  readonly shape: readonly number[]
  /** Number of the tensor's elements before it. */
  readonly start: number
}

/** A tensor of a checkpoint, and the weights concatenated in it. */
export interface SlotTensor {
  /** Name in the checkpoint. */
  readonly name: string
  /** Shape in the checkpoint. */
  readonly shape: readonly number[]
  /** Whether weights are stored as [out, in]. */
  readonly transpose: boolean
  /** The weights in it, in order. */
  readonly parts: readonly TensorPart[]
}

/** Suffix for a weight whose name is the prefix of other weights' names. Children written by older versions lack it. */
export const besideOthers = '.weight'

/** Returns the tensors of a slot, in the order of its weights, with the family's names for its block types and puzzleflow's
 *  for others. */
export function slotTensors(config: ModelConfig, blocks: Blocks, layer: number, slot: Slot): SlotTensor[] {
  const { tensors } = familyOf(config, blocks)
  const table = { ...tensors.norms[slot], ...tensors.blocks[slot][config.blocks[layer]![slot].block] }
  const tensorOf = new Map<string, SlotTensor>()
  const shapes = Object.entries(slotShapes(config, layer, slot, blocks))
  // In PyTorch a name is either a tensor or a module: next to `q.bias`, `q` must be `q.weight`.
  const ownName = (weight: string) =>
    shapes.some(([other]) => other.startsWith(`${weight}.`)) ? `${weight}${besideOthers}` : weight
  for (const [weight, shape] of shapes) {
    const known = table[weight]
    const name = `${tensors.layers}${layer}.${known ?? `${slot}.${ownName(weight)}`}`
    // Under a family's names, matrices are stored as [out, in]; under puzzleflow's own names, they stay as they are.
    const transpose = known !== undefined && shape.length === 2
    const lying = transpose ? [...shape].reverse() : shape
    const before = tensorOf.get(name)
    const start = before ? elements(before.shape) : 0
    tensorOf.set(name, {
      name,
      transpose,
      shape: before ? [before.shape[0]! + lying[0]!, ...lying.slice(1)] : lying,
      parts: [...(before?.parts ?? []), { weight, shape, start }],
    })
  }
  return [...tensorOf.values()]
}

/** Names of the tensors outside layers. */
export const endTensors = (
  config: ModelConfig,
  blocks: Blocks,
): { readonly embedding: string; readonly norm: string; readonly head: string } => familyOf(config, blocks).tensors
