import { elements } from '../../tensor/index.js'
import type { Model } from '../model.js'
import { bytesOf } from '../gguf/write-encode.js'
import { ggufPlan } from '../gguf/write-plan.js'
import { ggufTensors } from '../gguf/write-tensors.js'
import type { Scenario } from '../scenario.js'

/** Bytes of weights and of keys and values of a scenario in llama.cpp: matrices and cache in float16, its default. What the
 *  file has where the graph needs something in the place of nothing is left out: it is tiny, and belongs to no block. */
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
