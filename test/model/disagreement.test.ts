import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, SafetensorsFile, writeModel, writeSafetensors } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { fullLogits } from './mixed.js'
import { blocks, scratch, someIds, writeTiny } from './tiny.js'

async function edit(folder: string, fields: JsonObject): Promise<string> {
  const file = join(folder, 'config.json')
  const before = JSON.parse(await readFile(file, 'utf8')) as JsonObject
  await writeFile(file, JSON.stringify({ ...before, ...fields }))
  return folder
}

/** A checkpoint with other tensors beside its own, or without some. */
async function stored(change: Readonly<Record<string, string | readonly number[] | null>>, fields: JsonObject = {}) {
  const folder = await writeTiny(fields)
  const path = join(folder, 'model.safetensors')
  const file = await SafetensorsFile.open(path)
  const all = new Map<string, { shape: readonly number[]; of: string | undefined }>(
    [...file.tensors].map(([name, { shape }]) => [name, { shape, of: name }] as const),
  )
  for (const [name, what] of Object.entries(change))
    if (what === null) all.delete(name)
    else if (typeof what === 'string') all.set(name, { shape: file.tensors.get(what)!.shape, of: what })
    else all.set(name, { shape: what, of: undefined })
  const values = await Promise.all(
    [...all].map(async ([name, { shape, of }]) => {
      const size = shape.reduce((n, d) => n * d, 1)
      return { name, shape, data: of === undefined ? new Float32Array(size) : await file.read(of) }
    }),
  )
  await writeSafetensors(
    path,
    values.map(({ data, ...own }) => ({ ...own, values: () => data })),
    'float32',
  )
  return folder
}

const layer0 = 'model.layers.0'
const rows: [string, () => Promise<string>, string][] = [
  [
    'vocab_size',
    async () => edit(await writeTiny(), { vocab_size: 51 }),
    'tensor model.embed_tokens.weight is [50, 24], not [51, 24] as "vocab_size" in config.json says',
  ],
  [
    'intermediate_size',
    async () => edit(await writeTiny(), { intermediate_size: 48 }),
    `tensor ${layer0}.mlp.gate_proj.weight is [40, 24], not [48, 24] as "intermediate_size" in config.json says`,
  ],
  [
    'num_key_value_heads',
    async () => edit(await writeTiny(), { num_key_value_heads: 4 }),
    `tensor ${layer0}.self_attn.k_proj.weight is [16, 24], not [32, 24] as "num_key_value_heads" × "head_dim" in config.json says`,
  ],
  [
    'fewer layers than are stored',
    async () => edit(await writeTiny(), { num_hidden_layers: 2 }),
    'tensor model.layers.2.input_layernorm.weight is not part of this model: config.json says "num_hidden_layers": 2, and 3 are stored',
  ],
  [
    'more layers than are stored',
    async () => edit(await writeTiny(), { num_hidden_layers: 4 }),
    'tensor model.layers.3.input_layernorm.weight is missing, like all of layer 3: config.json says "num_hidden_layers": 4, and 3 layers are stored',
  ],
  [
    'biases that config.json does not say',
    async () => stored({ [`${layer0}.self_attn.q_proj.bias`]: [32] }),
    `tensor ${layer0}.self_attn.q_proj.bias is not part of this model: config.json does not say "attention_bias": true`,
  ],
  [
    'biases that only config.json says',
    async () => edit(await writeTiny(), { mlp_bias: true }),
    `tensor ${layer0}.mlp.gate_proj.bias is missing, though config.json says "mlp_bias": true`,
  ],
  [
    'biases that the family has not',
    async () =>
      stored(
        { [`${layer0}.self_attn.q_proj.bias`]: [32] },
        { model_type: 'mistral', architectures: ['MistralForCausalLM'] },
      ),
    `tensor ${layer0}.self_attn.q_proj.bias is not part of this model: layers of the family mistral have no such bias`,
  ],
  [
    'norms of queries',
    async () => stored({ [`${layer0}.self_attn.q_norm.weight`]: [8] }),
    `tensor ${layer0}.self_attn.q_norm.weight is not part of this model: layers of the family llama have no norms of queries and keys`,
  ],
  ['no head', async () => stored({ 'lm_head.weight': null }), 'tensor lm_head.weight is missing'],
  [
    'matrices of GPTQ',
    async () => stored({ [`${layer0}.mlp.up_proj.qweight`]: [4, 4] }),
    `the checkpoint is quantised (GPTQ or AWQ): it has the tensor ${layer0}.mlp.up_proj.qweight`,
  ],
  [
    'a config of MLX',
    async () => edit(await writeTiny(), { quantization: { group_size: 64, bits: 4 } }),
    'quantised checkpoints are not supported ("quantization")',
  ],
  [
    'a config of AWQ',
    async () => edit(await writeTiny(), { quantization_config: { quant_method: 'awq' } }),
    'quantised checkpoints (awq) are not supported ("quantization_config")',
  ],
]
test.each(rows)('config.json and tensors that disagree in %s are refused by name', async (_, make, message) => {
  const folder = await make()
  const error = await openModel(folder, blocks).then(
    () => undefined,
    (thrown: unknown) => thrown as { kind: string; message: string; remedy: string },
  )
  expect(error?.kind).toBe('InvalidInput')
  expect(error!.message.slice(error!.message.indexOf(': ') + 2)).toBe(message)
  expect(error!.remedy).toBeTruthy()
})

test('where no head is stored the cure is named', async () => {
  const folder = await stored({ 'lm_head.weight': null })
  await expect(openModel(folder, blocks)).rejects.toMatchObject({
    remedy:
      'If the head is the embedding, write "tie_word_embeddings": true into config.json; otherwise, copy all files of the checkpoint again.',
  })
})

test('a stored head that is not the embedding is the head, with a warning, and an export says so', async () => {
  const folder = await writeTiny()
  const before = await fullLogits(await openModel(folder, blocks), someIds(6))
  const model = await openModel(await edit(folder, { tie_word_embeddings: true }), blocks)
  expect(model.warnings).toEqual([
    `${join(folder, 'config.json')} says that the head is the embedding ("tie_word_embeddings"), but another head is stored (lm_head.weight): the stored one is used. Write "tie_word_embeddings": false there`,
  ])
  expect(await fullLogits(model, someIds(6))).toEqual(before)
  const out = join(scratch(), 'out')
  await writeModel(model, out, { dtype: 'float32' })
  const again = await openModel(out, blocks)
  expect(again.warnings).toBeUndefined()
  expect(await fullLogits(again, someIds(6))).toEqual(before)
})

test.each([
  ['both, alike', { 'lm_head.weight': 'model.embed_tokens.weight' }],
  ['the head alone', { 'lm_head.weight': 'model.embed_tokens.weight', 'model.embed_tokens.weight': null }],
  ['the embedding alone', { 'lm_head.weight': null }],
])('a tied model may store %s', async (_, change) => {
  const folder = await edit(await stored(change), { tie_word_embeddings: true })
  const model = await openModel(folder, blocks)
  expect({ tied: model.config.tied, warnings: model.warnings }).toEqual({ tied: true, warnings: undefined })
  expect(await model.head()).toBe(await model.embedding())
})

test.each<[string, JsonObject]>([
  ['pretraining_tp', { pretraining_tp: 2 }],
  ['attention_dropout', { attention_dropout: 0.1, use_cache: false, initializer_range: 0.5 }],
  ['rope_scaling null', { rope_scaling: null, sliding_window: null, quantization_config: null }],
  ['torch_dtype', { torch_dtype: 'bfloat16', _name_or_path: 'x', transformers_version: '4.1' }],
])('%s changes nothing', async (_, fields) => {
  const folder = await writeTiny()
  const before = await fullLogits(await openModel(folder, blocks), someIds(6))
  expect(await fullLogits(await openModel(await edit(folder, fields), blocks), someIds(6))).toEqual(before)
})
