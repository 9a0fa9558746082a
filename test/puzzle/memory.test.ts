import { expect, test } from 'vitest'
import { parseConfig, type Model, type Scenario } from '../../model/index.js'
import { blockSizes } from '../../puzzle/block-timing.js'
import { sizes } from '../../puzzle/costs.js'
import { withoutBlocks } from '../../puzzle/made-up.js'
import { inspectScenarios } from '../../plugins/inspect/scenario.js'
import { blocks, openTiny } from '../model/tiny.js'

const MiB = 2 ** 20
/** Public config.json of Llama-3.1-8B, without what sizes do not depend on. */
const llama = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', tie_word_embeddings: false },
  ...{ hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32, vocab_size: 128256 },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, max_position_embeddings: 131072, rms_norm_eps: 1e-5 },
  ...{ rope_theta: 500000, bos_token_id: 128000, eos_token_id: 128001 },
}
const unread = () => Promise.reject(new Error('Sizes need no weights'))
const parent: Model = {
  ...{ folder: '', config: parseConfig(JSON.stringify(llama), 'config.json'), blocks },
  ...{ weights: unread, embedding: unread, norm: unread, head: unread },
}
const none = { block: 'no-op', params: {} }
/** The parent without the attention of its first layers. */
function without(attentions: number): Model {
  const config = parent.config.blocks.map((own, layer) => (layer < attentions ? { ...own, attention: none } : own))
  return { ...parent, config: { ...parent.config, blocks: config } }
}
const served: Scenario = { batch: 96, prefill: 4096, generate: 4096, weights: 'bfloat16', cache: 'bfloat16' }

test.each([
  [0, 113_620.5078125],
  [12, 75_796.4140625],
  [6, 94_708.4609375],
])(
  'Llama-3.1-8B without %i attentions in bfloat16 takes, with 96 sequences of 8192 tokens, %d MiB',
  (gone, mebibytes) => {
    expect(sizes(without(gone), served).memoryBytes / MiB).toBe(mebibytes)
  },
)

test('the costs of blocks and the floor add up to the whole, to the byte', () => {
  const child = without(12)
  const all = child.config.blocks.flatMap(({ attention, ffn }) => [
    blockSizes(child, { slot: 'attention', choice: attention }, served).memoryBytes,
    blockSizes(child, { slot: 'ffn', choice: ffn }, served).memoryBytes,
  ])
  const floor = sizes(withoutBlocks(child), served).memoryBytes
  expect(all.reduce((a, b) => a + b, floor) / MiB).toBe(75_796.4140625)
})

test('without precisions, weights and caches are what this engine holds: float32', () => {
  const here: Scenario = { batch: 96, prefill: 4096, generate: 4096 }
  expect(sizes(parent, here).memoryBytes / MiB).toBe(2 * 113_620.5078125)
  // 32 layers x 2 x 8 heads of 128 x 8192 tokens x 96 sequences.
  const cache = 32 * 2 * 8 * 128 * 8192 * 96
  expect(sizes(parent, { ...here, cache: 'float16' }).memoryBytes).toBe(sizes(parent, here).memoryBytes - 2 * cache)
})

test('a cache of 8-bit integers in llama.cpp has a float16 scale for each 32 values', () => {
  const cache = 32 * 2 * 8 * 128 * 8192 * 96
  const there: Scenario = { ...served, engine: 'llama.cpp', weights: 'float16' }
  const [floats, integers] = (['float16', 'int8'] as const).map(
    (own) => sizes(parent, { ...there, cache: own }).memoryBytes,
  ) as [number, number]
  expect(floats - integers).toBe(cache * (2 - 34 / 32))
  expect(sizes(parent, { batch: 96, prefill: 4096, generate: 4096, engine: 'llama.cpp' }).memoryBytes).toBe(floats)
})

test('quantised blocks stay integers, whatever the precision of the other weights', async () => {
  const model = await openTiny()
  const scenario: Scenario = { batch: 1, prefill: 1, generate: 1 }
  const choice = { block: 'swiglu', params: { width: 16, weights: 'int8' } }
  const of = (own: Scenario) => blockSizes(model, { slot: 'ffn', choice }, own).memoryBytes
  // Only the norm of 24 values is not quantised.
  expect(of(scenario) - of({ ...scenario, weights: 'bfloat16' })).toBe(2 * 24)
})

test('what does not grow with tokens stays float32', async () => {
  const model = await openTiny()
  const scenario: Scenario = { batch: 3, prefill: 5, generate: 4 }
  const memory = (block: string, params: object, own: Scenario) =>
    blockSizes(model, { slot: 'attention', choice: { block, params: { ...params } } }, own).memoryBytes
  const saved = (block: string, params: object) =>
    memory(block, params, scenario) - memory(block, params, { ...scenario, cache: 'bfloat16' })
  expect(saved('linear-attention', { features: 4, kvHeads: 2 })).toBe(0)
  // Keys and values of 2 heads of 8 dimensions: 9 tokens, or of a window of 4 the 3 before the next.
  expect(saved('grouped-query', { kvHeads: 2 })).toBe(2 * 2 * 2 * 8 * 9 * 3)
  expect(saved('sliding-window', { kvHeads: 2, window: 4 })).toBe(2 * 2 * 2 * 8 * 3 * 3)
})

test('a cache of integers is refused where the engine would hold it in float32, or has no such blocks', () => {
  const said = (scenario: Scenario, config = parent.config) =>
    inspectScenarios({ model: '', space: { attention: [], ffn: [] }, target: { scenario } }, config).map(
      ({ path, code, message }) => `${path.join('.')} ${code} ${message}`,
    )
  expect(said({ ...served, cache: 'int8' })).toEqual([
    "target.scenario.cache no-such-cache puzzleflow's decoder has no caches of 8-bit integers.",
  ])
  expect(() => sizes(parent, { ...served, cache: 'int8' })).toThrow('has no caches of 8-bit integers')
  expect(said({ ...served, cache: 'int8', engine: 'llama.cpp' })).toEqual([])
  expect(said({ ...served, cache: 'int8', engine: 'llama.cpp' }, { ...parent.config, headDim: 80 })).toEqual([
    "target.scenario.cache no-such-cache llama.cpp holds caches of 8-bit integers in blocks of 32, and the model's heads have 80 dimensions.",
  ])
  expect(said(served)).toEqual([])
})
