import { expect, test } from 'vitest'
import { allWeights, buildModel, finalNorm, modelShapes } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { elements, Graph, gradients, Session, type Tensor } from '../../tensor/index.js'
import { noise } from '../noise.js'
import { blocks, openTiny, someIds } from './tiny.js'

const families: readonly (readonly [string, JsonObject])[] = [
  [
    'gemma3',
    {
      model_type: 'gemma3_text',
      sliding_window: 3,
      sliding_window_pattern: 2,
      query_pre_attn_scalar: 9,
      final_logit_softcapping: 3,
      attn_logit_softcapping: 2,
      tie_word_embeddings: true,
    },
  ],
  [
    'granite',
    {
      model_type: 'granite',
      embedding_multiplier: 3,
      attention_multiplier: 0.3,
      residual_multiplier: 0.5,
      logits_scaling: 2,
    },
  ],
  ['qwen3', { model_type: 'qwen3', attention_bias: true }],
]

// What blocks add is checked one by one by the block kit: here are norms, factors and caps of the model around them.
test.each(families)('the gradient of a whole %s agrees with finite differences', async (_, fields) => {
  const { config, ...model } = await openTiny({ architectures: null, ...fields })
  const shapes = modelShapes(config, blocks)
  const weights = await allWeights({ config, ...model })
  const [batch, length] = [2, 6]
  const g = new Graph()
  const values = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, g.input(name, 'float32', shape)]),
  )
  const ids = g.input('ids', 'int64', [batch * length])
  const labels = g.input('labels', 'int64', [batch * length])
  const { hidden } = buildModel(g, config, blocks, ids, values, { batch, length })
  const ones = g.constant(new Float32Array(batch * length).fill(1), [batch * length])
  const head = values.head ?? values.embedding!
  const softcap = config.finalSoftcap === undefined ? {} : { softcap: config.finalSoftcap }
  const loss = g.crossEntropyHead(finalNorm(g, config, hidden, values.norm!), head, labels, ones, softcap)
  g.output('loss', loss)
  const names = Object.keys(shapes)
  gradients(
    loss,
    names.map((name) => values[name]!),
  ).forEach((d, i) => g.output(`d.${names[i]}`, d))
  const session = await Session.create(g)
  const tokens = (seed: number): Tensor => ({
    dtype: 'int64',
    dims: [batch * length],
    data: BigInt64Array.from(someIds(batch * length, seed), BigInt),
  })
  const run = async (moved: Readonly<Record<string, Float32Array>>) => {
    const feeds = Object.fromEntries(
      names.map((name): [string, Tensor] => [
        name,
        { dtype: 'float32', dims: [...shapes[name]!], data: moved[name] ?? weights[name]! },
      ]),
    )
    return session.run({ ...feeds, ids: tokens(1), labels: tokens(2) })
  }
  const exact = await run({})
  // Every weight along one random direction: a wrong factor anywhere on its way shows.
  const step = 2e-3
  for (const [i, name] of names.entries()) {
    const random = noise(i + 1)
    const direction = Float32Array.from({ length: elements(shapes[name]!) }, () => random())
    const at = (sign: number) => weights[name]!.map((value, j) => value + sign * step * direction[j]!)
    const [more, less] = [await run({ [name]: at(1) }), await run({ [name]: at(-1) })]
    const measured = (Number(more.loss!.data[0]) - Number(less.loss!.data[0])) / (2 * step)
    const found = (exact[`d.${name}`]!.data as Float32Array).reduce((sum, d, j) => sum + d * direction[j]!, 0)
    const size = Math.sqrt((exact[`d.${name}`]!.data as Float32Array).reduce((sum, d) => sum + d * d, 0))
    expect([name, Math.abs(found - measured) <= 1e-3 * size + 2e-3]).toEqual([name, true])
  }
  await session.release()
})
