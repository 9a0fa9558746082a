import { elements } from '../../tensor/index.js'
import type { Model } from '../model.js'
import { writtenTypes } from '../gguf/write.js'
import { bytesOf } from '../gguf/write-encode.js'
import { ggufPlan } from '../gguf/write-plan.js'
import { ggufTensors } from '../gguf/write-tensors.js'
import { cacheWidth } from '../precision.js'
import type { Scenario } from '../scenario.js'
import { matrixType } from './timed.js'

/** Computes the memory in bytes for a scenario in llama.cpp: weights, keys and values. Matrices and cache are in the precision
 *  that the scenario states, by default in float16. Placeholders for empty blocks, which the graph requires, are left out: they are tiny and belong to no block.
 *  @throws Failure InvalidInput for a model that GGUF cannot represent */
export function llamaBytes(model: Model, scenario: Scenario): number {
  const { batch, prefill, generate } = scenario
  const plan = ggufPlan(model)
  const standsIn = (name: string): boolean => {
    const [, layer, slot] = /^blk\.(\d+)\.(attn|ffn)_(?!down\.bias)/.exec(name) ?? []
    return layer !== undefined && plan.layers[Number(layer)]![slot === 'attn' ? 'attention' : 'ffn'] === 'zero'
  }
  const weights = ggufTensors(model, plan, writtenTypes[matrixType(scenario)])
    .filter(({ name }) => !standsIn(name))
    .reduce((n, { type, shape }) => n + bytesOf(type, elements(shape)), 0)
  const kvHeads = plan.layers.reduce(
    (n, { attention }) => n + (typeof attention === 'object' && attention.kind === 'softmax' ? attention.kvHeads : 0),
    0,
  )
  return weights + 2 * cacheWidth(scenario) * kvHeads * model.config.headDim * (prefill + generate) * batch
}
