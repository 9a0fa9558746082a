import { Failure, type BlockResult, type BlockType, type JsonObject, type LayerFacts } from '../api/index.js'
import { show, type Value } from '../tensor/index.js'

/**
 * Checks that the result of a block type's `forward` has the shape of its input, and that its states are those that `state`
 * declares.
 * @param x  [batch * length, hidden]
 * @throws Failure PluginBug naming the block type and both shapes
 */
export function checkResult(
  type: BlockType,
  x: Value,
  { y, state = {} }: BlockResult,
  params: JsonObject,
  { facts, batch, length, wantState }: ChunkFacts,
): void {
  const bug = (message: string) => new Failure('PluginBug', `${type.slot} block type "${type.name}" ${message}`)
  // The residual addition broadcasts, so another shape could go unnoticed.
  if (show(y.shape) !== show(x.shape))
    throw bug(`makes ${show(y.shape)} of ${show(x.shape)}: both must have the same shape`)
  if (!wantState) return
  for (const { name, kind, shape } of type.state?.(facts, params) ?? []) {
    const wanted = [batch, ...(kind === 'per-sequence' ? shape : [shape[0], length, shape[1]])]
    const found = state[name]
    if (!found) throw bug(`returns no state "${name}"`)
    if (show(found.shape) !== show(wanted))
      throw bug(`returns state "${name}" of shape ${show(found.shape)}, not ${show(wanted)}`)
  }
}

/** Sizes of a chunk, and whether the caller wants its state. */
interface ChunkFacts {
  readonly facts: LayerFacts
  readonly batch: number
  readonly length: number
  readonly wantState: boolean
}
