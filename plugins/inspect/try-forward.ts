import { buildBlock } from '../../model/block-graph.js'
import { checkResult } from '../../model/check-result.js'
import { Failure, type BlockType, type JsonObject, type LayerFacts } from '../../api/index.js'
import { withPlace } from '../place.js'

/**
 * Builds the graph of a variant as training and decoding do, without computing anything: shapes that do not go together
 * come up before a run does.
 * @throws what `forward` throws; Failure PluginBug when its output or its states have other shapes than they must
 */
function tryForward(type: BlockType, facts: LayerFacts, params: JsonObject): void {
  if (type.empty) return
  for (const hasPast of [false, true]) {
    const chunk = { batch: 2, length: hasPast ? 1 : 3, hasPast, wantState: true }
    const { x, result } = buildBlock(type, facts, params, chunk)
    checkResult(type, x, result, params, { facts, ...chunk })
  }
}

/** @throws Failure PluginBug when the graph of a variant cannot be built */
export function tryVariant(type: BlockType, facts: LayerFacts, params: JsonObject): void {
  try {
    tryForward(type, facts, params)
  } catch (error) {
    const { message } = withPlace(error) as Error
    // A failure names the block type itself.
    const whose = error instanceof Failure ? '' : `block type "${type.name}", `
    throw new Failure('PluginBug', `${whose}variant ${type.id(params)}: ${message}`, { cause: error })
  }
}
