import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { llamaBytes, openTimed, writeGguf, type Scenario } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { runtime, sizes } from '../../puzzle/costs.js'
import { blockSizes, timeBlock, type Placed } from '../../puzzle/block-timing.js'
import { openTiny } from '../model/tiny.js'
import { Search } from '../stages/run-stage.js'
import { tinySpec, tinyWorld, type World } from '../stages/world.js'
import { temporaryFolder } from '../temporary-folder.js'
import { askLlama, llamaFolder, skipped, withoutLlama } from './llama.js'
import { openPuzzle } from './models.js'

/** Heads of 32 dimensions, as blocks of integers need them. */
const wideHeads = { hidden_size: 128, head_dim: 32 }
const scenario: Scenario = { batch: 2, prefill: 8, generate: 6, engine: 'llama.cpp' }

beforeEach(() => void vi.stubEnv('PUZZLEFLOW_LLAMA_CPP', llamaFolder))
afterEach(() => void vi.unstubAllEnvs())

test.skipIf(withoutLlama)(`a child that mixes all kinds of blocks is timed in llama.cpp${skipped}`, async () => {
  const timed = await openTimed(await openPuzzle(), scenario)
  const { prefillSeconds, decodeSeconds } = await timed.pass()
  await timed.release()
  expect(prefillSeconds).toBeGreaterThan(0)
  expect(decodeSeconds).toBeGreaterThan(0)
})

// It is told by clocks: on a busy machine it may take more than one look.
const seldom = { retry: 4 }
test.skipIf(withoutLlama)(
  `a block's time in llama.cpp is that of models with it and without any${skipped}`,
  seldom,
  async () => {
    const model = await openTiny({ hidden_size: 256, intermediate_size: 4096 })
    const how = { copies: 2, repetitions: 3, precision: 0.1, threads: 1 }
    const share = async (width: number) => {
      const part: Placed = { slot: 'ffn', choice: { block: 'swiglu', params: { width } } }
      const { own, usual } = await timeBlock(model, part, scenario, how, { progress: () => {} })
      return runtime(own) / runtime(usual)
    }
    // A 64th of the arithmetic, and five eighths of it: further apart than noise is wide.
    expect(await share(64)).toBeLessThan(0.5 * (await share(2560)))
    const cost = (choice: Placed['choice'], slot: Placed['slot'] = 'ffn') =>
      blockSizes(model, { slot, choice }, scenario)
    const narrow = cost({ block: 'swiglu', params: { width: 64 } })
    // Matrices in float16, the norm in float32.
    expect(narrow.memoryBytes).toBe(2 * 3 * 256 * 64 + 4 * 256)
    const attention = cost({ block: 'grouped-query', params: { kvHeads: 2 } }, 'attention')
    const [q, kv] = [4 * 8, 2 * 8]
    expect(attention.memoryBytes).toBe(2 * 256 * (2 * q + 2 * kv) + 4 * 256 + 2 * 2 * kv * (8 + 6) * 2)
  },
)

test('memory in llama.cpp is that of the file and a float16 cache, whatever ours would be', async () => {
  const model = await openTiny()
  const own: Scenario = { batch: 2, prefill: 8, generate: 6 }
  expect(sizes(model, scenario).memoryBytes).toBe(llamaBytes(model, scenario))
  expect(sizes(model, own).memoryBytes).toBeGreaterThan(1.5 * llamaBytes(model, scenario))
})

test.skipIf(withoutLlama)(`caches of every precision are timed in llama.cpp${skipped}`, async () => {
  const model = await openTiny(wideHeads)
  for (const cache of ['float32', 'float16', 'bfloat16', 'int8'] as const)
    for (const weights of ['float16', 'bfloat16'] as const) {
      const timed = await openTimed(model, { ...scenario, cache, weights })
      expect((await timed.pass()).decodeSeconds).toBeGreaterThan(0)
      await timed.release()
    }
  // It is the cache that is asked for: these heads have no blocks of 32.
  await expect(openTimed(await openTiny(), { ...scenario, cache: 'int8' })).rejects.toThrow('llama.cpp cannot run')
})

test.skipIf(withoutLlama)(`a cache of integers says nearly what the float cache says${skipped}`, async () => {
  const model = await openTiny(wideHeads)
  const path = join(temporaryFolder(), 'model.gguf')
  await writeGguf(model, path, { dtype: 'float32' })
  const ids = Array.from({ length: 40 }, (_, i) => (i * 7919) % model.config.vocabulary)
  const logits = (cacheType: string) => askLlama(path, { sequences: [ids], logits: 1, cacheType }).logits[0]!.flat()
  const [floats, integers] = [logits('F32'), logits('Q8_0')]
  const apart = floats.reduce((sum, value, i) => sum + (value - integers[i]!) ** 2, 0)
  const share = Math.sqrt(apart / floats.reduce((sum, value) => sum + value ** 2, 0))
  // Steps of 1/127 of the largest of 32 values; not the same numbers, or the cache would be one of floats.
  expect(share).toBeLessThan(0.01)
  expect(share).toBeGreaterThan(1e-6)
})

/** What a spec is told that is served by llama.cpp. */
async function said({ folder }: World, space: JsonObject = {}): Promise<string> {
  const spec = tinySpec({ space: { attention: ['parent'], ffn: ['parent'], ...space } })
  const target = { scenario: { batch: 2, prefill: 4, generate: 4, engine: 'llama.cpp' } }
  const error: unknown = await Search.open(folder, { ...spec, target }).catch((reason: unknown) => reason)
  return error instanceof Error ? error.message.replaceAll(`${folder}/`, '') : 'nothing'
}

test('a search for llama.cpp is refused what it cannot run, or where it is not installed', async () => {
  const world = await tinyWorld()
  expect(await said(world, { attention: ['parent', { block: 'linear-attention', features: 4 }] })).toMatch(
    withoutLlama ? /no-engine/ : /not-in-gguf GGUF cannot represent linear-attention-\S+ \(layer 0\)/,
  )
  const qwen3 = await tinyWorld({ model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] })
  expect(await said(qwen3)).toContain('llama.cpp cannot run models of single blocks of this parent')
  vi.stubEnv('PUZZLEFLOW_LLAMA_CPP', world.folder)
  expect(await said(world)).toMatch(
    /no-engine node-llama-cpp, which runs llama\.cpp, is not installed in .*npm install/,
  )
})
