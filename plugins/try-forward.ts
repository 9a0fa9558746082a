import { buildBlock } from '../model/block-graph.js'
import { show } from '../tensor/index.js'
import { Failure, type BlockType, type JsonObject, type LayerFacts } from './api/index.js'

/**
 * Builds the graph of a variant as training and decoding do, without computing anything: shapes that do not go together
 * come up before a run does.
 * @throws what `forward` throws; Failure PluginBug when its output has another shape than its input
 */
export function tryForward(type: BlockType, facts: LayerFacts, params: JsonObject): void {
  if (type.empty) return
  for (const hasPast of [false, true]) {
    const chunk = { batch: 2, length: hasPast ? 1 : 3, hasPast, wantState: true }
    const { x, result } = buildBlock(type, facts, params, chunk)
    if (show(result.y.shape) !== show(x.shape))
      throw new Failure(
        'PluginBug',
        `forward makes ${show(result.y.shape)} of ${show(x.shape)}: both must have one shape`,
      )
  }
}
