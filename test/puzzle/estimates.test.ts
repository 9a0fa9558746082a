import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { lessons } from '../../puzzle/curriculum.js'
import { blockFlops, headFlops, layersFlops } from '../../puzzle/estimates/flops.js'
import { lessonsWork } from '../../puzzle/estimates/lessons.js'
import {
  engineBytes,
  forwardBytes,
  lessonBytes,
  measuringBytes,
  trainedLayerBytes,
} from '../../puzzle/estimates/memory.js'
import { paceOf, type Pace } from '../../puzzle/estimates/pace.js'
import { secondsOf } from '../../puzzle/estimates/seconds.js'
import { uptrainingSizes } from '../../puzzle/estimates/uptraining-sizes.js'
import { parseConfig, type ModelConfig } from '../../model/index.js'
import { parameterCount } from '../../puzzle/costs.js'
import { loadPlugins } from '../../plugins/registry.js'
import { openTiny } from '../model/tiny.js'
import { temporaryFolder } from '../temporary-folder.js'

const model = await openTiny()
const { hidden, heads, headDim, kvHeads, vocabulary, layers } = model.config

test('an FFN of three matrices takes two operations for each of their numbers and each token', () => {
  expect(blockFlops(model, 0, 'ffn', { block: 'swiglu', params: { width: 8 } }, 16)).toBe(2 * 3 * hidden * 8)
})

test('attention takes its four matrices, and the products of its queries with all keys and values of the sequence', () => {
  const choice = { block: 'grouped-query', params: { kvHeads } }
  const matrices = 2 * hidden * heads * headDim + 2 * hidden * kvHeads * headDim
  expect(blockFlops(model, 0, 'attention', choice, 16)).toBe(2 * matrices + 4 * 16 * heads * headDim)
})

test('an empty block takes nothing, and the head a row for each token of the vocabulary', () => {
  expect(blockFlops(model, 0, 'ffn', { block: 'no-op', params: {} }, 16)).toBe(0)
  expect(headFlops(model)).toBe(2 * vocabulary * hidden)
  expect(layersFlops(model, 16, layers)).toBe(0)
})

test('training a variant takes three passes through it, and two through a frozen block behind it', () => {
  const space = { attention: ['parent', { block: 'linear' }], ffn: ['parent'] }
  const params = { besideNoOp: 'none', mode: 'decoupled', coupled: [], tokens: 1000, training: 'gradient' } as const
  const all = lessons(model, space, params, loadPlugins().runs)
  const read = { length: 10, filled: 0.5, validate: 3 }
  const each = (layer: number) => {
    const own = blockFlops(model, layer, 'attention', { block: 'linear', params: {} }, 10)
    const behind = blockFlops(model, layer, 'ffn', model.config.blocks[layer]!.ffn, 10)
    return { training: 2000 * (3 * own + 2 * behind), forward: 2 * 3 * 10 * (own + behind) }
  }
  const sums = all.map(({ layer }) => each(layer))
  expect(all).toHaveLength(layers)
  const work = lessonsWork(model, all, params, read)
  expect(work.training).toBeCloseTo(sums.reduce((n, own) => n + own.training, 0))
  expect(work.forward).toBeCloseTo(sums.reduce((n, own) => n + own.forward, 0))
  expect(lessonsWork(model, all, { ...params, training: 'none' }, read).training).toBe(0)
})

const pace: Pace = { forward: 1e9, training: 5e8, pass: 2, processors: 4 }

test('tasks side by side take less time than one after the other, and more than their share of it', () => {
  const work = { forward: 8e9 }
  const [alone, together] = [secondsOf(work, 8, true, { ...pace, processors: 1 })!, secondsOf(work, 8, false, pace)!]
  expect(together).toBeLessThan(alone / 2)
  expect(together).toBeGreaterThan(alone / 4)
})

test('a single task cannot be shared out, but passes and other seconds add up', () => {
  expect(secondsOf({ forward: 8e9, passes: 3, seconds: 5 }, 1, false, pace)).toBeCloseTo(8 + 3 * 2 + 5 + 0.25)
})

test('a stage whose parameters are not known yet has no estimate', () => {
  expect(secondsOf({ training: NaN }, 1, false, pace)).toBeUndefined()
})

test('what a machine does in a second is measured once, and kept for it', async () => {
  const folder = temporaryFolder()
  const wanted = { length: 8, scenarios: [{ batch: 2, prefill: 4, generate: 4 }] }
  const measured = await paceOf(model, wanted, folder)
  for (const rate of Object.values(measured)) expect(rate).toBeGreaterThan(0)
  expect(await paceOf(model, wanted, folder)).toEqual(measured)
  await paceOf(model, { ...wanted, length: 16 }, folder)
  expect(readdirSync(join(folder, 'pace'))).toHaveLength(2)
})

/** A Llama of so many layers, with the sizes of TinyLlama. */
const llama = (layers: number): { config: ModelConfig; blocks: typeof model.blocks } => {
  const fields = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', tie_word_embeddings: false },
    ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: layers, vocab_size: 32000 },
    ...{ num_attention_heads: 32, num_key_value_heads: 4, max_position_embeddings: 2048, rms_norm_eps: 1e-5 },
  }
  return { config: parseConfig(JSON.stringify(fields), 'config.json'), blocks: model.blocks }
}

test('the memory of an uptraining grows with the parent’s layers only as long as it is trained against as a whole', () => {
  const [small, large, larger] = [4, 22, 88].map(llama) as [ReturnType<typeof llama>, ...ReturnType<typeof llama>[]]
  const inside = 4 * trainedLayerBytes(small, 8 * 128, 128)
  expect(uptrainingSizes(small, { batch: 8 }, undefined).memory).toBe(engineBytes + 12 * parameterCount(small) + inside)
  const memory = (of: ReturnType<typeof llama>, batch = 8) => uptrainingSizes(of, { batch }, undefined).memory
  expect(memory(large!)).toBeLessThan(6 * 2 ** 30)
  expect(memory(larger!)).toBe(memory(large!))
  // Six arrays of hidden states of a step.
  expect(memory(large!, 16) - memory(large!)).toBe(4 * 6 * 8 * 128 * 2048)
})

test('what an uptraining keeps on disk layer by layer are two steps of weights and moments, gradients and states', () => {
  const large = llama(22)
  const child = parameterCount(large) / 2
  const disk = uptrainingSizes(large, { batch: 8 }, undefined).temporary
  expect(disk).toBe(4 * (7 * child + 3 * 22 * 8 * 128 * 2048))
  // As many weights and moments as in a checkpoint of the whole.
  expect(uptrainingSizes(large, { batch: 8, layerwise: false }, undefined).temporary).toBe(4 * 3 * child)
})

describe('memory of a model of 1.1 B parameters', () => {
  const large = llama(22)
  const gib = (bytes: number) => bytes / 2 ** 30

  // Measured with `node bench/large-model.mjs`, over the process of a task.
  test('scores hold a bounded part of the weights, the head and the engine: 2.1 GB, as measured', () => {
    expect(gib(forwardBytes(large, { held: 2, batch: 16, length: 64 }))).toBeCloseTo(2.01, 1)
  })

  test('more layers do not take more, but whole children beside their parent take all of both', () => {
    const reading = { held: 8, batch: 4, length: 64 }
    expect(forwardBytes(llama(44), reading)).toBe(forwardBytes(large, reading))
    const weights = 4 * parameterCount(large)
    expect(measuringBytes(large, 8, 64)).toBeGreaterThan(1.5 * weights)
    expect(measuringBytes(large, 8, 64)).toBeLessThan(2.2 * weights)
  })

  test('a lesson holds its own weights four times: a narrow FFN takes less than a wide one', () => {
    const lesson = (width: number) => ({
      layer: 3,
      train: [{ slot: 'ffn' as const, block: 'swiglu', params: { width } }],
    })
    const [narrow, wide] = [512, 5632].map((width) => lessonBytes(large, 4, 64)(lesson(width)))
    expect(wide! - narrow!).toBeGreaterThan(16 * 3 * 2048 * (5632 - 512))
    expect(gib(wide!)).toBeLessThan(4)
  })
})
