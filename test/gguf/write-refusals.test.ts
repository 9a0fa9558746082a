import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replaceBlocks, writeGguf, writeGgufFolder, type Model } from '../../model/index.js'
import { openWith } from '../onnx/models.js'
import { withVariant } from '../model/mixed.js'
import { openTiny, scratch } from '../model/tiny.js'

const qwen3 = { model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] }

/** What the error says; nothing must have been written. */
async function refusal(model: Model): Promise<string> {
  const path = join(scratch(), 'folder', 'model.gguf')
  const error = await writeGguf(model, path).then(
    () => undefined,
    (error: Error & { remedy?: string }) => error,
  )
  expect(existsSync(join(path, '..'))).toBe(false)
  expect(error).toBeDefined()
  return `${error!.message.replace(model.folder, 'MODEL')}\n${error!.remedy}`
}

test('a block type without an operator in llama.cpp is refused by layer and name', async () => {
  const model = await openWith([
    ['grouped-query', { kvHeads: 1 }],
    ['linear-attention', { features: 4, kvHeads: 2 }],
  ])
  expect(await refusal(model)).toBe(
    'MODEL cannot be written as GGUF: layer 1, attention linear-attention: llama.cpp has no operator for this recurrence\n' +
      'Search with `target: { format: gguf }`, which leaves such blocks out, or export it as `hf` or `onnx`, which support them.',
  )
})

test('latent attention is refused: its heads are rotated in part', async () => {
  const model = await openWith([['latent-attention', { rank: 10, rotated: 4 }]])
  expect(await refusal(model)).toContain('layer 0, attention latent-attention: llama.cpp rotates the same channels')
})

test('a window that is shorter than the context is refused', async () => {
  const model = await openWith([['sliding-window', { window: 6, kvHeads: 2 }]])
  expect(await refusal(model)).toContain('layer 0, attention sliding-window: architectures without norms after blocks')
})

test('a Qwen3 child whose layers differ is refused at the layer that differs', async () => {
  const model = await withVariant(await openTiny(qwen3), 2, 'ffn', 'swiglu', { width: 16 })
  expect(await refusal(model)).toContain(
    "layer 2, ffn swiglu: layers of llama.cpp's architecture qwen3 are all alike, but this one differs from the first",
  )
})

test('rotary scaling that changes with the length is refused', async () => {
  const model = await openTiny({ rope_parameters: { rope_type: 'dynamic', rope_theta: 10000, factor: 2 } })
  expect(await refusal(model)).toBe(
    "MODEL cannot be written as GGUF: llama.cpp's architecture deci has no dynamic rotary scaling\nExport it as `hf` or `onnx`.",
  )
})

test.each([
  ['attn_logit_softcapping', 'attention'],
  ['final_logit_softcapping', 'logits'],
])('Gemma 2 without %s is refused: llama.cpp would cap all the same', async (field, what) => {
  const model = await openTiny({
    model_type: 'gemma2',
    architectures: ['Gemma2ForCausalLM'],
    hidden_act: null,
    tie_word_embeddings: true,
    [field]: null,
  })
  expect(await refusal(model)).toContain(`llama.cpp's architecture gemma2 needs a softcap of ${what}`)
})

test('SmolLM3’s layers without rotary embedding are refused', async () => {
  const model = await openTiny({
    model_type: 'smollm3',
    architectures: ['SmolLM3ForCausalLM'],
    no_rope_layers: [1, 0, 1],
  })
  expect(await refusal(model)).toContain('has one rotary embedding for all layers')
})

test('integers are written as the numbers that they stand for', async () => {
  const integers = await withVariant(await openTiny(), 1, 'ffn', 'swiglu', { width: 40, weights: 'int8' })
  const weights = await integers.weights(1, 'ffn')
  const floats = replaceBlocks(integers, [{ layer: 1, slot: 'ffn', block: 'swiglu', params: { width: 40 }, weights }])
  const [a, b] = [join(scratch(), 'a.gguf'), join(scratch(), 'b.gguf')]
  await writeGguf(integers, a)
  await writeGguf(floats, b)
  expect(readFileSync(a).equals(readFileSync(b))).toBe(true)
})

test('a file that is there already is kept', async () => {
  const model = await openTiny()
  const folder = join(scratch(), 'out')
  await writeGgufFolder(model, folder)
  const before = readFileSync(join(folder, 'model.gguf'))
  await expect(writeGguf(model, join(folder, 'model.gguf'))).rejects.toThrow('already exists')
  await expect(writeGgufFolder(model, folder)).rejects.toThrow('already exists')
  expect(readFileSync(join(folder, 'model.gguf')).equals(before)).toBe(true)
})

test('a value beyond float16 is refused by tensor, and nothing is left of the file', async () => {
  const model = await openTiny()
  const weights = await model.weights(0, 'ffn')
  weights.up!.data[3] = 1e6
  const large = replaceBlocks(model, [{ layer: 0, slot: 'ffn', block: 'swiglu', params: { width: 40 }, weights }])
  const folder = scratch()
  await expect(writeGguf(large, join(folder, 'model.gguf'), { dtype: 'float16' })).rejects.toThrow(
    'tensor blk.0.ffn_up.weight has values beyond 65,504',
  )
  expect(existsSync(join(folder, 'model.gguf'))).toBe(false)
})
