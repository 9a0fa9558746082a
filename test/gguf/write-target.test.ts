import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { Search } from '../stages/run-stage.js'
import { tinySpec, tinyWorld } from '../stages/world.js'

// Without a tokenizer, unless said otherwise: words are not what llama.cpp splits texts into.
const ids = { tokenizer: false }
const world = await tinyWorld({}, ids)
const qwen3 = await tinyWorld({ model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] }, ids)

/** What a spec whose child shall be a GGUF file is told. */
async function said(space: JsonObject, { folder } = world, format = 'gguf'): Promise<string> {
  const spec = tinySpec({ space: { attention: ['parent'], ffn: ['parent'], ...space } })
  const target = { ...(spec.target as JsonObject), format }
  const error: unknown = await Search.open(folder, { ...spec, target }).catch((reason: unknown) => reason)
  return error instanceof Error ? error.message.replaceAll(`${folder}/`, '') : 'nothing'
}

const linearAttention = { attention: ['parent', { block: 'linear-attention', features: 4 }] }

test('what GGUF can say is taken, whatever the mixture', async () => {
  const space = {
    attention: [
      'parent',
      { block: 'grouped-query', kvHeads: 1 },
      { block: 'fewer-heads', heads: 2 },
      { block: 'sliding-window', window: 256 },
      'linear',
      'no-op',
    ],
    ffn: [
      'parent',
      { block: 'swiglu', width: ['50%', 3], weights: ['float32', 'int8'] },
      { block: 'low-rank', rank: 4 },
      'linear',
      'no-op',
    ],
    runs: [
      { run: 'drop', span: [1, 2] },
      { run: 'fuse-ffn', span: 2 },
    ],
  }
  expect(await said(space)).toBe('nothing')
})

test('an entry that llama.cpp has no operator for is refused at its place, and only where the child shall be GGUF', async () => {
  expect(await said(linearAttention)).toMatch(
    /^search\.yaml:1:\d+ not-in-gguf GGUF cannot represent linear-attention-\S+ \(layer 0\): llama\.cpp has no operator for this recurrence \(Remove the entry, or `format: gguf` under `target`\.\)$/,
  )
  expect(await said(linearAttention, world, 'hf')).toBe('nothing')
})

test('a window shorter than the context is refused among longer ones', async () => {
  const space = { attention: ['parent', { block: 'sliding-window', window: [256, 8] }] }
  expect(await said(space)).toMatch(
    /not-in-gguf GGUF cannot represent sliding-window-8-2 \(layer 0\): architectures without/,
  )
})

test('of a Qwen3 parent only whole layers can go', async () => {
  expect(await said({ runs: [{ run: 'drop' }] }, qwen3)).toBe('nothing')
  expect(await said({ ffn: ['parent', { block: 'swiglu', width: '50%' }] }, qwen3)).toMatch(
    /GGUF cannot represent swiglu-\d+ \(layer 0\): deci, llama\.cpp's only architecture for layers that differ so, has no norms of queries and keys/,
  )
  expect(await said({ runs: [{ run: 'fuse-ffn' }] }, qwen3)).toMatch(/GGUF cannot represent fuse-ffn-2 \(layer 0\)/)
})

test('a parent that GGUF cannot represent is told of at the format', async () => {
  const dynamic = await tinyWorld({ rope_parameters: { rope_type: 'dynamic', rope_theta: 10000, factor: 2 } }, ids)
  expect(await said({}, dynamic)).toMatch(
    /^search\.yaml:1:\d+ not-in-gguf GGUF cannot represent the parent \(layer 0, attention grouped-query\): llama\.cpp's architecture deci has no dynamic rotary scaling/,
  )
})

test('a tokenizer that llama.cpp would not follow is told of at the format, and only where a file is to be written', async () => {
  const words = await tinyWorld()
  expect(await said({}, words)).toMatch(
    /^search\.yaml:1:\d+ not-in-gguf parent\/tokenizer\.json cannot be written as GGUF: .+ \(Remove `format: gguf`: /,
  )
  expect(await said({}, words, 'hf')).toBe('nothing')
})

test('a format that does not exist is refused', async () => {
  expect(await said({}, world, 'ggml')).toMatch(/target\.format must be one of "?hf"?/)
})
