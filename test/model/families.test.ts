import { existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  builtInFamilies,
  Decoder,
  layerFacts,
  modelShapes,
  openModel,
  parseConfig,
  replaceBlocks,
  SafetensorsFile,
  saveCheckpoint,
  splitNorms,
  writeModel,
  type CheckpointType,
  type Model,
  type Replacement,
} from '../../model/index.js'
import { defineFamily, type JsonObject, type Slot } from '../../api/index.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { blocks, openTiny, scratch, someIds, tinyConfig, writeTiny } from './tiny.js'

const root = join(import.meta.dirname, '../../../shared/fixtures/hf')
const names = existsSync(root) ? readdirSync(root).filter((name) => !existsSync(join(root, name, 'REFUSE'))) : []

test.skipIf(names.length > 0)('SKIPPED: the reference checkpoints are not beside this checkout', () => {})

/** Bytes of every tensor of a checkpoint, by name, with type and shape. */
async function tensorsOf(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const file of readdirSync(folder).filter((name) => /^model.*safetensors$/.test(name))) {
    const { tensors } = await SafetensorsFile.open(join(folder, file))
    const bytes = await readFile(join(folder, file))
    for (const { name, dtype, shape, start, end } of tensors.values())
      found.set(name, `${dtype} ${shape.join()} ${bytes.subarray(start, end).toString('base64')}`)
  }
  return found
}

const fieldsOf = async (folder: string) => JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as JsonObject

async function logits(model: Model): Promise<Float32Array> {
  const decoder = await Decoder.create(model, { batch: 2, logits: true })
  const { logits } = await decoder.prefill(someIds(24))
  await decoder.release()
  return logits!
}

test.each(names)('%s, unchanged, is written with the same tensors, byte by byte', async (name) => {
  const folder = join(root, name)
  const fields = await fieldsOf(folder)
  const target = join(scratch(), 'copy')
  await writeModel(await openModel(folder, blocks), target, {
    dtype: (fields.dtype ?? fields.torch_dtype) as CheckpointType,
  })
  expect(await tensorsOf(target)).toEqual(await tensorsOf(folder))
  expect(await fieldsOf(target)).toEqual(fields)
})

const replaced = async (model: Model, layer: number, slot: Slot, block: string, params = {}): Promise<Replacement> => {
  const { norms, own } = splitNorms(await model.weights(layer, slot))
  const type = blocks.get(slot, block)
  const made = await type.initialise(own, layerFacts(model.config, layer), params, {})
  return { layer, slot, block, params, weights: type.empty ? {} : { ...norms, ...made } }
}

test.each(names)('a child of %s comes back bit by bit from a checkpoint', async (name) => {
  const parent = await openModel(join(root, name), blocks)
  const child = replaceBlocks(parent, [
    await replaced(parent, 0, 'attention', 'grouped-query', { kvHeads: 1 }),
    await replaced(parent, 0, 'ffn', 'swiglu', { width: 40 }),
    await replaced(parent, 1, 'attention', 'linear-attention', { features: 8, kvHeads: 2 }),
    await replaced(parent, 1, 'ffn', 'linear'),
    await replaced(parent, 2, 'attention', 'sliding-window', { window: 5, kvHeads: 1 }),
    await replaced(parent, 2, 'ffn', 'no-op'),
  ])
  const folder = join(scratch(), 'child')
  await writeModel(child, folder, { dtype: 'float32' })
  const opened = await openModel(folder, blocks)
  expect(opened.config).toEqual(child.config)
  expect(await logits(opened)).toEqual(await logits(child))
  expect((await fieldsOf(folder)).puzzleflow).toBeDefined()
})

const without = (fields: JsonObject, ...left: string[]): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !left.includes(name)))

/** A DeciLM with the weights of a Llama's child that has the same layers. */
async function openDeci(fields: JsonObject, child: Model): Promise<Model> {
  const folder = scratch()
  const own = { ...tinyConfig, architectures: ['DeciLMForCausalLM'], model_type: 'nemotron-nas', ...fields }
  const rest = without(own, 'intermediate_size', 'num_key_value_heads')
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...rest, ...fields }))
  const config = parseConfig(JSON.stringify({ ...rest, ...fields }), 'config.json')
  const shapes = modelShapes(config, blocks)
  const weights: Record<string, Float32Array> = {
    embedding: await child.embedding(),
    norm: await child.norm(),
    head: await child.head(),
  }
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const [name, { data }] of Object.entries(await child.weights(layer, slot)))
        weights[`layers.${layer}.${slot}.${name}`] = data
  await saveCheckpoint(join(folder, 'model.safetensors'), config, blocks, weights, shapes, 'float32')
  return openModel(folder, blocks)
}

test('a Llama-Nemotron NAS checkpoint is read by its block_configs, and written as it was', async () => {
  const llama = await openTiny({ intermediate_size: 512 })
  const child = replaceBlocks(llama, [
    await replaced(llama, 0, 'attention', 'grouped-query', { kvHeads: 1 }),
    await replaced(llama, 1, 'attention', 'no-op'),
    await replaced(llama, 1, 'ffn', 'linear'),
    await replaced(llama, 2, 'attention', 'linear'),
    await replaced(llama, 2, 'ffn', 'swiglu', { width: 256 }),
  ])
  // 2/3 x 32 x 24 is 512; 2/3 x 1 x 24 is 16, up to a multiple of 256.
  const block_configs = [
    { attention: { n_heads_in_group: 4, no_op: false, replace_with_linear: false }, ffn: { ffn_mult: 32 } },
    { attention: { no_op: true, n_heads_in_group: null }, ffn: { replace_with_linear: true, ffn_mult: null } },
    { attention: { replace_with_linear: true }, ffn: { ffn_mult: 1 } },
  ]
  const deci = await openDeci({ block_configs }, child)
  expect(deci.config.blocks).toEqual(child.config.blocks)
  expect(await logits(deci)).toEqual(await logits(child))
  const tensors = [...(await tensorsOf(deci.folder)).keys()]
  expect(tensors).toContain('model.layers.2.self_attn.linear_attn.weight')
  expect(tensors).toContain('model.layers.1.mlp.linear_mlp.weight')
  expect(tensors).not.toContain('model.layers.1.input_layernorm.weight')

  const copy = join(scratch(), 'copy')
  await writeModel(deci, copy, { dtype: 'float32' })
  expect(await tensorsOf(copy)).toEqual(await tensorsOf(deci.folder))
  expect((await fieldsOf(copy)).puzzleflow).not.toHaveProperty('layers')

  const smaller = replaceBlocks(deci, [await replaced(deci, 0, 'ffn', 'swiglu', { width: 100 })])
  const folder = join(scratch(), 'child')
  await writeModel(smaller, folder, { dtype: 'float32' })
  expect(await logits(await openModel(folder, blocks))).toEqual(await logits(smaller))
})

test('a DeciLM-7B checkpoint is read by its KV heads per layer', async () => {
  const llama = await openTiny({ num_key_value_heads: 4 })
  const child = replaceBlocks(llama, [
    await replaced(llama, 0, 'attention', 'grouped-query', { kvHeads: 1 }),
    await replaced(llama, 2, 'attention', 'grouped-query', { kvHeads: 2 }),
  ])
  const deci = await openDeci(
    { model_type: 'deci', num_key_value_heads_per_layer: [1, 4, 2], intermediate_size: 40 },
    child,
  )
  expect(deci.config.kvHeads).toBe(4)
  expect(await logits(deci)).toEqual(await logits(child))
})

const parse = (fields: JsonObject) => parseConfig(JSON.stringify({ ...tinyConfig, ...fields }), 'config.json')
const of = (model_type: string, fields: JsonObject = {}) => {
  const rest = without(tinyConfig, 'architectures', 'dtype')
  return parseConfig(JSON.stringify({ ...rest, model_type, ...fields }), 'config.json')
}
const windows = ({ blocks }: Model['config']) => blocks.map(({ attention }) => attention.params.window)

test('windows are on the layers that the family says', () => {
  expect(windows(of('mistral', { sliding_window: 9 }))).toEqual([9, 9, 9])
  expect(windows(of('mistral'))).toEqual([4096, 4096, 4096])
  expect(windows(of('mistral', { sliding_window: null }))).toEqual([undefined, undefined, undefined])
  expect(windows(of('qwen2', { sliding_window: 9, max_window_layers: 1 }))).toEqual([undefined, undefined, undefined])
  expect(windows(of('qwen2', { sliding_window: 9, max_window_layers: 1, use_sliding_window: true }))).toEqual([
    undefined,
    9,
    9,
  ])
  expect(windows(of('gemma2', { sliding_window: 9 }))).toEqual([9, undefined, 9])
  expect(windows(of('gemma3_text', { sliding_window: 9, sliding_window_pattern: 2 }))).toEqual([9, undefined, 9])
  const layer_types = ['full_attention', 'sliding_attention', 'full_attention']
  expect(windows(of('gemma3_text', { sliding_window: 9, layer_types }))).toEqual([undefined, 9, undefined])
  const smol = { no_rope_layers: [1, 0, 1], sliding_window: 9 }
  expect(windows(of('smollm3', smol))).toEqual([undefined, undefined, undefined])
  expect(windows(of('smollm3', { ...smol, use_sliding_window: true }))).toEqual([undefined, 9, undefined])
})

test('rotary embeddings are by layer where the family has several, in both spellings', () => {
  const older = of('gemma3_text', {
    sliding_window_pattern: 3,
    rope_theta: 500,
    rope_local_base_freq: 100,
    rope_scaling: { rope_type: 'linear', factor: 8 },
  })
  expect(older.layerRotary).toEqual([0, 0, 1])
  expect(older.rotaries).toEqual([{ theta: 100 }, { theta: 500, scaling: { kind: 'linear', factor: 8 } }])
  const newer = of('gemma3_text', {
    sliding_window_pattern: 3,
    rope_parameters: {
      full_attention: { rope_type: 'linear', factor: 8, rope_theta: 500 },
      sliding_attention: { rope_type: 'default', rope_theta: 100 },
    },
  })
  expect([newer.layerRotary, newer.rotaries]).toEqual([older.layerRotary, older.rotaries])
  expect(of('gemma3_text').rotaries).toEqual([{ theta: 10000 }])
  expect(of('smollm3', { num_hidden_layers: 5 }).layerRotary).toEqual([0, 0, 0, 1, 0])
  expect(of('smollm3').rotaries).toEqual([{ theta: 2000000 }])
})

test('fields that are left out are what transformers takes for them', () => {
  const rest = without(tinyConfig, 'head_dim', 'tie_word_embeddings', 'max_position_embeddings')
  const left = (model_type: string, fields: JsonObject = {}) =>
    parseConfig(JSON.stringify({ ...rest, architectures: null, model_type, ...fields }), 'config.json')
  expect(left('qwen3')).toMatchObject({ headDim: 128, tied: false, maxPositions: 32768, qkNorm: true })
  expect(left('gemma2')).toMatchObject({
    headDim: 256,
    tied: true,
    activation: 'gelu-tanh',
    normOffset: 1,
    postNorms: true,
    embeddingScale: Math.sqrt(24),
    attentionScale: 1 / 16,
  })
  expect(left('gemma2').finalSoftcap).toBe(30)
  expect(left('gemma2', { final_logit_softcapping: null }).finalSoftcap).toBeUndefined()
  expect(left('llama')).toMatchObject({ headDim: 6, tied: false, maxPositions: 2048 })
  expect(left('smollm3')).toMatchObject({ tied: true, kvHeads: 2 })
  expect(left('granite', { logits_scaling: 4 })).toMatchObject({ logitsScale: 0.25, attentionScale: 1 })
})

test.each<[string, JsonObject, RegExp]>([
  [
    'a mixture of experts',
    { architectures: ['MixtralForCausalLM'], model_type: 'mixtral', num_local_experts: 8 },
    /"MixtralForCausalLM" \(model_type "mixtral"\) is not supported: its FFNs are mixtures of experts/,
  ],
  [
    'a model that reads images',
    { architectures: ['Gemma3ForConditionalGeneration'], model_type: 'gemma3', vision_config: {} },
    /"Gemma3ForConditionalGeneration" .* is not supported: it also reads images/,
  ],
  [
    'latent attention',
    { architectures: ['X'], model_type: 'deepseek_v2', kv_lora_rank: 5 },
    /multi-head latent attention/,
  ],
  [
    'an unknown family',
    { architectures: ['GPT2LMHeadModel'], model_type: 'gpt2' },
    /"GPT2LMHeadModel" \(model_type "gpt2"\) is not supported$/,
  ],
  ['an architecture of another head', { architectures: ['LlamaForSequenceClassification'] }, /is not supported/],
  [
    'tokens that see later ones',
    { architectures: null, model_type: 'gemma3_text', use_bidirectional_attention: true },
    /"use_bidirectional_attention": true is not supported/,
  ],
  ['an activation that is not known', { hidden_act: 'relu2' }, /"hidden_act": "relu2" is not supported/],
  ['a window of one token', { architectures: null, model_type: 'mistral', sliding_window: 1 }, /"sliding_window" is 1/],
  [
    'a type of layer that is not known',
    { architectures: null, model_type: 'gemma2', layer_types: ['a', 'a', 'a'] },
    /layer 0 has the type "a"/,
  ],
  [
    'too few types of layers',
    { architectures: null, model_type: 'gemma2', layer_types: [] },
    /"layer_types" must be a list with an entry for each of the 3 layers/,
  ],
  [
    'longrope',
    { architectures: null, model_type: 'phi3', rope_scaling: { type: 'longrope' } },
    /"longrope" is not supported/,
  ],
  [
    'a layer that is nothing',
    { architectures: null, model_type: 'nemotron-nas', block_configs: [null, null, null] },
    /"block_configs" has null at layer 0, not an object/,
  ],
  [
    'attention that is nothing',
    { architectures: null, model_type: 'nemotron-nas', block_configs: [{ attention: null }, {}, {}] },
    /"block_configs" has null at layer 0, attention, not an object/,
  ],
  [
    'an activation that every object has',
    { hidden_act: 'constructor' },
    /"hidden_act": "constructor" is not supported/,
  ],
  ['no word about its layers', { architectures: null, model_type: 'nemotron-nas' }, /neither "block_configs" nor/],
  [
    'block_configs with experts',
    {
      architectures: null,
      model_type: 'nemotron-nas',
      block_configs: [{ attention: { n_heads_in_group: 4 }, ffn: { moe: {} } }, {}, {}],
    },
    /"moe" at layer 0, ffn/,
  ],
  [
    'block_configs without a width',
    {
      architectures: null,
      model_type: 'nemotron-nas',
      block_configs: [{ attention: { n_heads_in_group: 4 }, ffn: {} }, {}, {}],
    },
    /no "ffn_mult" at layer 0/,
  ],
  [
    'heads that do not divide',
    { architectures: null, model_type: 'deci', num_key_value_heads_per_layer: [1, 3, 1] },
    /4 is not a multiple of "num_key_value_heads" 3 \(layer 1\)/,
  ],
])('a config.json with %s is refused by name', (_, fields, message) => {
  expect(() => parse(fields)).toThrow(message)
})

test('a joined tensor of the wrong size is named before a weight is read', async () => {
  const folder = await writeTiny({ architectures: null, model_type: 'phi3' })
  const fields = await fieldsOf(folder)
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...fields, num_key_value_heads: 1 }))
  await expect(openModel(folder, blocks)).rejects.toThrow(
    /tensor model.layers.0.self_attn.qkv_proj.weight is \[64, 24\], not \[48, 24\]/,
  )
})

test('a weight that is not a number is named when it is read', async () => {
  const folder = await writeTiny({ architectures: null, model_type: 'phi3' })
  const path = join(folder, 'model.safetensors')
  const { start } = (await SafetensorsFile.open(path)).tensors.get('model.layers.1.mlp.gate_up_proj.weight')!
  const bytes = await readFile(path)
  bytes.writeFloatLE(NaN, start + 8)
  await mkdir(join(folder, 'damaged'))
  await copyFile(join(folder, 'config.json'), join(folder, 'damaged/config.json'))
  await writeFile(join(folder, 'damaged/model.safetensors'), bytes)
  const model = await openModel(join(folder, 'damaged'), blocks)
  await expect(model.weights(1, 'ffn')).rejects.toThrow(
    /tensor model.layers.1.mlp.gate_up_proj.weight holds NaN or infinity/,
  )
})

test('families have names of their own, and no two claim a model', () => {
  for (const key of ['modelTypes', 'architectures'] as const) {
    const all = builtInFamilies.flatMap((family) => family[key])
    expect(new Set(all).size).toBe(all.length)
  }
  expect(new Set(builtInFamilies.map(({ name }) => name)).size).toBe(builtInFamilies.length)
})

test('a family of a plugin is read and written as its table says', async () => {
  const own = defineFamily({
    name: 'tower',
    modelTypes: ['tower'],
    architectures: ['TowerForCausalLM'],
    defaults: { rms_norm_eps: 1e-5 },
    refused: { twisted: { except: [false], why: 'Only straight towers are read.' } },
    traits: (f) => ({ residualScale: f.real('lift'), qkvBias: true }),
    tensors: {
      layers: 'floors.',
      embedding: 'door.weight',
      norm: 'roof.norm.weight',
      head: 'roof.weight',
      norms: { attention: { norm: 'first.weight' }, ffn: { norm: 'second.weight' } },
      blocks: {
        attention: { 'grouped-query': { q: 'qkv.weight', k: 'qkv.weight', v: 'qkv.weight', o: 'out.weight' } },
        ffn: {},
      },
    },
  })
  const known = makeBlocks(undefined, [own])
  const folder = await writeTiny(
    { architectures: ['TowerForCausalLM'], model_type: 'tower', lift: 0.5 },
    1,
    scratch(),
    known,
  )
  const model = await openModel(folder, known)
  expect(model.config).toMatchObject({ family: 'tower', residualScale: 0.5, qkvBias: true, outputBias: false })
  const tensors = await tensorsOf(folder)
  expect([...tensors.keys()]).toEqual(
    expect.arrayContaining([
      'door.weight',
      'roof.weight',
      'floors.1.qkv.weight',
      'floors.2.attention.q.bias',
      'floors.0.ffn.up',
    ]),
  )
  expect(tensors.get('floors.1.qkv.weight')!.split(' ')[1]).toBe('64,24')
  const child = replaceBlocks(model, [await replaced(model, 1, 'ffn', 'swiglu', { width: 9 })])
  await writeModel(child, join(folder, 'child'), { dtype: 'float32' })
  expect(await logits(await openModel(join(folder, 'child'), known))).toEqual(await logits(child))
  await expect(openModel(folder, blocks)).rejects.toThrow('"TowerForCausalLM" (model_type "tower") is not supported')

  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...(await fieldsOf(folder)), twisted: true }))
  await expect(openModel(folder, known)).rejects.toMatchObject({
    message: expect.stringContaining('"twisted": true is not supported') as string,
    remedy: 'Only straight towers are read.',
  })
})
