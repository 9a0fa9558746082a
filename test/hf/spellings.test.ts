import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, SafetensorsFile, writeModel, type Model } from '../../model/index.js'
import { withEvidence } from '../../model/hf/card.js'
import type { JsonObject } from '../../api/index.js'
import { fullLogits, withVariant } from '../model/mixed.js'
import { blocks, openTiny, scratch, someIds } from '../model/tiny.js'
import { openEvery } from '../onnx/models.js'

async function exported(model: Model): Promise<{ folder: string; fields: JsonObject }> {
  const folder = join(scratch(), 'exported')
  await writeModel(model, folder, { dtype: 'float32' })
  return { folder, fields: JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as JsonObject }
}

async function child(fields: JsonObject = {}): Promise<Model> {
  let model = await openTiny(fields)
  model = await withVariant(model, 0, 'attention', 'grouped-query', { kvHeads: 1 })
  model = await withVariant(model, 1, 'attention', 'no-op', {})
  model = await withVariant(model, 1, 'ffn', 'swiglu', { width: 16 })
  return withVariant(model, 2, 'ffn', 'no-op', {})
}

test('layers are said as transformers says them, and as DeciLM does', async () => {
  const { fields } = await exported(await child())
  expect(fields.per_layer_config).toEqual({
    0: { num_key_value_heads: 1 },
    1: { intermediate_size: 16, skip: ['attention'] },
    2: { skip: ['mlp'] },
  })
  expect(fields.block_configs).toMatchObject([
    { attention: { n_heads_in_group: 4 }, ffn: { intermediate_size: 40 } },
    { attention: { no_op: true }, ffn: { intermediate_size: 16 } },
    { attention: { n_heads_in_group: 2 }, ffn: { no_op: true } },
  ])
})

test('what block_configs say is read as the same layers by the family they come from', async () => {
  const model = await child()
  const { folder, fields } = await exported(model)
  const own = { ...fields, model_type: 'nemotron-nas', architectures: ['DeciLMForCausalLM'], puzzleflow: null }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(own))
  const again = await openModel(folder, blocks)
  expect(again.config.blocks).toEqual(model.config.blocks)
  expect(await fullLogits(again, someIds(9))).toEqual(await fullLogits(model, someIds(9)))
})

test('a spelling without words for a layer is left out whole', async () => {
  const { fields } = await exported(await openEvery())
  expect(fields).not.toHaveProperty('per_layer_config')
  expect(fields).not.toHaveProperty('block_configs')
  const windowed = await withVariant(await child(), 0, 'attention', 'sliding-window', { window: 6, kvHeads: 2 })
  const other = (await exported(windowed)).fields
  expect(other.per_layer_config).toMatchObject({ 0: { sliding_window: 6 }, 2: { sliding_window: null } })
  expect(other).not.toHaveProperty('block_configs')
})

test.each([
  ['all block types', () => openEvery()],
  ['biases, and names that others begin with', () => openEvery({ attention_bias: true, mlp_bias: true })],
  ['a child that DeciLM could say', () => child()],
])('%s: exported, opened and exported again it is the same, and its logits are bit-equal', async (_, open) => {
  const model = await open()
  const first = await exported(model)
  const again = await openModel(first.folder, blocks)
  expect(again.config).toEqual(model.config)
  expect(await fullLogits(again, someIds(9))).toEqual(await fullLogits(model, someIds(9)))
  const second = await exported(again)
  expect(second.fields).toEqual(first.fields)
  for (const name of ['model.safetensors', 'modeling_puzzleflow.py'])
    expect(readFileSync(join(second.folder, name)).equals(readFileSync(join(first.folder, name))), name).toBe(true)
})

test('a child of an older version, whose weights have no place below them, still opens', async () => {
  const model = await withVariant(await openTiny({ attention_bias: true }), 0, 'attention', 'fewer-heads', {
    heads: 2,
    kvHeads: 1,
  })
  const { folder } = await exported(model)
  const file = join(folder, 'model.safetensors')
  const bytes = readFileSync(file)
  const size = Number(bytes.readBigUInt64LE())
  const header = bytes.subarray(8, 8 + size).toString()
  expect(header).toContain('"model.layers.0.attention.q.weight"')
  const older = header.replace(/(model\.layers\.0\.attention\.[qkvo])\.weight"/g, '$1"').padEnd(size)
  writeFileSync(file, Buffer.concat([bytes.subarray(0, 8), Buffer.from(older), bytes.subarray(8 + size)]))
  expect([...(await SafetensorsFile.open(file)).tensors.keys()]).toContain('model.layers.0.attention.q')
  const again = await openModel(folder, blocks)
  expect(await fullLogits(again, someIds(9))).toEqual(await fullLogits(model, someIds(9)))
})

test('the card says how the model is loaded, and keeps its evidence when it is exported again', async () => {
  const { folder } = await exported(await child())
  const card = readFileSync(join(folder, 'README.md'), 'utf8')
  expect(card).toContain('trust_remote_code=True')
  expect(card).toContain('| 1 | no-op | swiglu-16 |')
  writeFileSync(join(folder, 'README.md'), withEvidence(withEvidence(card, '# Old'), '# A child was found\n\n- met: x'))
  const again = await exported(await openModel(folder, blocks))
  const carried = readFileSync(join(again.folder, 'README.md'), 'utf8')
  expect(carried).toContain('## Evidence\n\n### A child was found\n\n- met: x')
  expect(carried).not.toContain('Old')

  const plain = readFileSync(join((await exported(await openTiny())).folder, 'README.md'), 'utf8')
  expect(plain).not.toContain('trust_remote_code')
  expect(plain).not.toContain('## Evidence')
})
