import { elements } from '../../tensor/index.js'
import type { Model } from '../model.js'
import { bytesOf } from '../gguf/write-encode.js'
import { ggufPlan } from '../gguf/write-plan.js'
import { ggufTensors } from '../gguf/write-tensors.js'
import type { Scenario } from '../scenario.js'

/** Computes the memory in bytes for a scenario in llama.cpp: weights, keys and values, with matrices and cache in float16, its
 *  default. Placeholders for empty blocks, which the graph requires, are left out: they are tiny and belong to no block.
 *  @throws Failure InvalidInput for a model that GGUF cannot represent */
export function llamaBytes(model: Model, { batch, prefill, generate }: Scenario): number {
  const plan = ggufPlan(model)
  const standsIn = (name: string): boolean => {
    const [, layer, slot] = /^blk\.(\d+)\.(attn|ffn)_(?!down\.bias)/.exec(name) ?? []
    return layer !== undefined && plan.layers[Number(layer)]![slot === 'attn' ? 'attention' : 'ffn'] === 'zero'
  }
  const weights = ggufTensors(model, plan, 'F16')
    .filter(({ name }) => !standsIn(name))
    .reduce((n, { type, shape }) => n + bytesOf(type, elements(shape)), 0)
  const kvHeads = plan.layers.reduce(
    (n, { attention }) => n + (typeof attention === 'object' && attention.kind === 'softmax' ? attention.kvHeads : 0),
    0,
  )
  return weights + 2 * 2 * kvHeads * model.config.headDim * (prefill + generate) * batch
}
