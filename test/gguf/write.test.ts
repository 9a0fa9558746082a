import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, writeGguf, type Model } from '../../model/index.js'
import { greedy } from '../model/greedy.js'
import { difference, flat, fullLogits, withVariant } from '../model/mixed.js'
import { blocks, openTiny, scratch, someIds } from '../model/tiny.js'
import { askLlama, skipped, withoutLlama, wrongKernels } from './llama.js'
import { fixtures, openPuzzle, root } from './models.js'

/** Mean negative log-likelihood of every next token. */
function meanLoss(rows: readonly ArrayLike<number>[], ids: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i + 1 < ids.length; i++) {
    const row = Array.from(rows[i]!)
    const largest = Math.max(...row)
    sum += largest + Math.log(row.reduce((n, x) => n + Math.exp(x - largest), 0)) - row[ids[i + 1]!]!
  }
  return sum / (ids.length - 1)
}

const prompts = Array.from({ length: 20 }, (_, i) => [...someIds(3 + (i % 5), i + 1)])

/** Compares llama.cpp on the exported file with our own float32 arithmetic. */
async function expectSame(model: Model): Promise<void> {
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path)
  const text = [...someIds(40)]
  const {
    logits: [long],
    greedy: continued,
  } = askLlama(path, { sequences: [text, ...prompts], logits: 1, greedy: 12 })
  const own = await fullLogits(model, Int32Array.from(text))
  // ggml looks GELU up in a table of float16.
  expect(difference(flat(long!), flat(own))).toBeLessThan(model.config.activation === 'silu' ? 1e-5 : 1e-3)
  expect(Math.abs(Math.exp(meanLoss(long!, text) - meanLoss(own, text)) - 1)).toBeLessThan(0.005)
  expect(continued).toEqual(await greedy(model, [text, ...prompts], 12))
}

test.skipIf(fixtures.length > 0)('SKIPPED: the reference checkpoints are not beside this checkout', () => {})

test.skipIf(withoutLlama).each(fixtures)(
  `llama.cpp continues 20 prompts on the GGUF file of %s as we do${skipped}`,
  async (name) => expectSame(await openModel(join(root, name), blocks)),
)

test.skipIf(withoutLlama).each([
  ['with its own head', {}],
  ['with a tied head', { tie_word_embeddings: true }],
  ['with biases everywhere', { attention_bias: true, mlp_bias: true }],
  [
    'of Qwen2, which has biases of queries, keys and values',
    { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] },
  ],
  [
    'of Granite, whose factors go into the weights',
    {
      ...{ model_type: 'granite', architectures: ['GraniteForCausalLM'], tie_word_embeddings: true },
      ...{ embedding_multiplier: 6, attention_multiplier: 0.2, residual_multiplier: 0.4, logits_scaling: 3 },
    },
  ],
  [
    'with YaRN of other bounds than llama.cpp’s',
    {
      max_position_embeddings: 256,
      rope_parameters: {
        ...{ rope_type: 'yarn', rope_theta: 10000, factor: 8, original_max_position_embeddings: 32 },
        ...{ beta_fast: 8, beta_slow: 2 },
      },
    },
  ],
  [
    'with YaRN as llama.cpp has it',
    {
      max_position_embeddings: 256,
      rope_parameters: {
        ...{ rope_type: 'yarn', rope_theta: 10000, factor: 8, original_max_position_embeddings: 32 },
      },
    },
  ],
])(`llama.cpp runs a child that mixes all kinds of blocks %s as we do${skipped}`, async (_, fields) =>
  expectSame(await openPuzzle(fields)),
)

test.skipIf(withoutLlama)(
  `llama.cpp runs a child that begins without attention, and one without any${skipped}`,
  async () => {
    await expectSame(await withVariant(await openTiny(), 0, 'attention', 'no-op', {}))
    let model = await openTiny()
    for (const layer of [0, 1, 2])
      model = await withVariant(model, layer, 'attention', layer === 1 ? 'no-op' : 'linear', {})
    await expectSame(model)
  },
)

const perplexityAgrees = async (dtype: 'float16' | 'bfloat16' | 'q8_0') => {
  const model = await openPuzzle({ hidden_size: 64, head_dim: 16, intermediate_size: 96 })
  const path = join(scratch(), 'model.gguf')
  await writeGguf(model, path, { dtype })
  const text = [...someIds(60)]
  const [rows] = askLlama(path, { sequences: [text], logits: 1 }).logits
  const own = await fullLogits(model, Int32Array.from(text))
  expect(Math.abs(Math.exp(meanLoss(rows!, text) - meanLoss(own, text)) - 1)).toBeLessThan(0.005)
  expect(difference(flat(rows!), flat(own))).toBeGreaterThan(1e-5)
}
test.skipIf(withoutLlama).each(['float16', 'bfloat16'] as const)(
  `llama.cpp's perplexity on a file in %s is within half a per cent of ours${skipped}`,
  perplexityAgrees,
)
test.skipIf(withoutLlama || wrongKernels)(
  `llama.cpp's perplexity on a file in q8_0 is within half a per cent of ours${skipped || wrongKernels}`,
  () => perplexityAgrees('q8_0'),
)

test.skipIf(withoutLlama)(`llama.cpp runs a Qwen3 child with two of three layers left${skipped}`, async () => {
  let model = await openModel(join(root, 'qwen3'), blocks)
  for (const slot of ['attention', 'ffn'] as const) model = await withVariant(model, 1, slot, 'no-op', {})
  await expectSame(model)
})
