import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  embed,
  Forward,
  openModel,
  replaceBlocks,
  SafetensorsFile,
  writeModel,
  writeSafetensors,
} from '../../model/index.js'
import type { Model, Replacement } from '../../model/index.js'
import { layerFacts } from '../../model/index.js'
import { blocks, openTiny, scratch, someIds, tinyConfig, writeTiny } from './tiny.js'

/** Rewrites a checkpoint's tensors. */
async function rewrite(
  folder: string,
  change: (names: string[]) => { name: string; shape: number[] }[],
): Promise<void> {
  const path = join(folder, 'model.safetensors')
  const { tensors } = await SafetensorsFile.open(path)
  const sources = change([...tensors.keys()]).map(({ name, shape }) => {
    const own = shape.length > 0 ? shape : [...tensors.get(name)!.shape]
    return { name, shape: own, values: () => new Float32Array(own.reduce((n, d) => n * d, 1)) }
  })
  await writeSafetensors(path, sources, 'float32')
}
const same = (name: string) => ({ name, shape: [] })
const q = 'model.layers.1.self_attn.q_proj.weight'

const bad: [string, (folder: string) => Promise<void>, RegExp][] = [
  ['has no config.json', (f) => rename(join(f, 'config.json'), join(f, 'gone')), / has no config.json$/],
  ['has no weights', (f) => rename(join(f, 'model.safetensors'), join(f, 'gone')), /has neither model.safetensors nor/],
  [
    'lacks a tensor',
    (f) => rewrite(f, (names) => names.filter((n) => n !== q).map(same)),
    /1.self_attn.q_proj.weight is missing/,
  ],
  [
    'has a tensor of another shape',
    (f) => rewrite(f, (names) => names.map((n) => (n === q ? { name: n, shape: [32, 23] } : same(n)))),
    /q_proj.weight is \[32, 23\], not \[32, 24\]/,
  ],
  [
    'has a tensor that a Llama does not have',
    (f) => rewrite(f, (names) => [...names.map(same), { name: 'model.layers.0.self_attn.q_norm.weight', shape: [8] }]),
    /q_norm.weight is not part of this model/,
  ],
  [
    'has a block whose weights cannot be',
    (f) => {
      const llama = { attention: { block: 'grouped-query', kvHeads: 2 }, ffn: { block: 'swiglu', width: 40 } }
      const layers = [llama, llama, { ...llama, ffn: { block: 'swiglu', width: 'wide' } }]
      return writeFile(join(f, 'config.json'), JSON.stringify({ ...tinyConfig, puzzleflow: { layers } }))
    },
    /layer 2, ffn: gate has the shape \[24, wide\]/,
  ],
  ['has a damaged generation_config.json', (f) => writeFile(join(f, 'generation_config.json'), '{'), /is not JSON/],
]
test.each(bad)(
  'a checkpoint that %s is refused, with a remedy, before a weight is read',
  async (_, damage, message) => {
    const folder = await writeTiny()
    await damage(folder)
    const error: unknown = await openModel(folder, blocks).catch((e: unknown) => e)
    expect(error).toMatchObject({ kind: 'InvalidInput' })
    expect((error as Error).message).toMatch(message)
    expect((error as { remedy?: string }).remedy).toBeTruthy()
  },
)

/** Splits a checkpoint into a shard per tensor. */
async function shard(folder: string): Promise<Record<string, string>> {
  const whole = await SafetensorsFile.open(join(folder, 'model.safetensors'))
  const map: Record<string, string> = {}
  for (const [i, { name, shape }] of [...whole.tensors.values()].entries()) {
    map[name] = `model-${i}.safetensors`
    await writeSafetensors(join(folder, map[name]), [{ name, shape, values: () => whole.read(name) }], 'float32')
  }
  await rename(whole.path, `${whole.path}.whole`)
  return map
}
const writeIndex = (folder: string, map: unknown) =>
  writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))

test('a checkpoint in shards is the same model', async () => {
  const folder = await writeTiny()
  const whole = await openModel(folder, blocks)
  const before = await contents(whole)
  await writeIndex(folder, await shard(folder))
  expect(await contents(await openModel(folder, blocks))).toEqual(before)
})

test.each(['../outside.safetensors', '/etc/passwd', '.hidden', 'sub/one.safetensors', 7])(
  'an index that names the file %j is refused',
  async (name) => {
    const folder = await writeTiny()
    await writeIndex(folder, { ...(await shard(folder)), [q]: name })
    await expect(openModel(folder, blocks)).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: `${join(folder, 'model.safetensors.index.json')} names the file ${JSON.stringify(name)}, which is not in the folder`,
    })
  },
)

test('a shard that is missing is named', async () => {
  const folder = await writeTiny()
  await writeIndex(folder, { ...(await shard(folder)), [q]: 'model-99.safetensors' })
  await expect(openModel(folder, blocks)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: expect.stringMatching(
      /lacks 1 of \d+ shards that model.safetensors.index.json names: model-99.safetensors$/,
    ) as string,
  })
})

test('a tensor in two shards is refused', async () => {
  const folder = await writeTiny()
  const map = await shard(folder)
  await writeSafetensors(
    join(folder, 'twice.safetensors'),
    [{ name: q, shape: [32, 24], values: () => new Float32Array(32 * 24) }],
    'float32',
  )
  await writeIndex(folder, { ...map, 'x.inv_freq': 'twice.safetensors' })
  await expect(openModel(folder, blocks)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: expect.stringMatching(/is both in .* and in/) as string,
  })
})

test('files may be links to elsewhere, as in the cache of Hugging Face', async () => {
  const [folder, blobs] = [await writeTiny(), scratch()]
  await rename(join(folder, 'model.safetensors'), join(blobs, 'abc'))
  await symlink(join(blobs, 'abc'), join(folder, 'model.safetensors'))
  expect((await openModel(folder, blocks)).config.layers).toBe(3)
})

test('the embedding is held once while it is used, and is the head where they are tied', async () => {
  const model = await openTiny({ tie_word_embeddings: true })
  const [a, b] = await Promise.all([model.embedding(), model.head()])
  expect(a).toBe(b)
  expect(await model.embedding()).toBe(a)
})

test('end tokens are those of generation_config.json where there are some', async () => {
  const folder = await writeTiny()
  expect((await openModel(folder, blocks)).config.eos).toEqual([2])
  await writeFile(join(folder, 'generation_config.json'), '{"eos_token_id": [2, 7]}')
  expect((await openModel(folder, blocks)).config.eos).toEqual([2, 7])
})

/** All weights of a model. */
async function contents(model: Model): Promise<unknown> {
  const slots = model.config.blocks.flatMap((_, layer) => [
    model.weights(layer, 'attention'),
    model.weights(layer, 'ffn'),
  ])
  return {
    embedding: await model.embedding(),
    head: await model.head(),
    norm: await model.norm(),
    slots: await Promise.all(slots),
  }
}

/** A child with an empty, a linear and a narrower block. */
async function child(model: Model): Promise<Model> {
  const variant = async (
    layer: number,
    slot: 'attention' | 'ffn',
    block: string,
    params = {},
  ): Promise<Replacement> => {
    const { norm, ...parent } = await model.weights(layer, slot)
    const type = blocks.get(slot, block)
    const own = await type.initialise(parent, layerFacts(model.config, layer), params, {})
    return { layer, slot, block, params, weights: type.empty ? {} : { norm: norm!, ...own } }
  }
  return replaceBlocks(model, [
    await variant(0, 'attention', 'grouped-query', { kvHeads: 1 }),
    await variant(0, 'ffn', 'swiglu', { width: 16 }),
    await variant(1, 'attention', 'no-op'),
    await variant(1, 'ffn', 'linear'),
    await variant(2, 'attention', 'linear'),
    await variant(2, 'ffn', 'no-op'),
  ])
}

test('a child is written as a Hugging Face folder that opens again with the same weights and hidden states', async () => {
  const model = await child(await openTiny({ attention_bias: true, mlp_bias: true }))
  await writeFile(join(model.folder, 'tokenizer.json'), '{}')
  const folder = join(scratch(), 'deep', 'child')
  await mkdir(join(folder, '..'))
  await writeModel(model, folder, { dtype: 'float32' })
  expect((await readdir(folder)).sort()).toEqual([
    'README.md',
    'config.json',
    'configuration_puzzleflow.py',
    'model.safetensors',
    'modeling_puzzleflow.py',
    'tokenizer.json',
  ])
  expect(await readdir(join(folder, '..'))).toEqual(['child'])

  const again = await openModel(folder, blocks)
  expect(again.config).toEqual(model.config)
  expect(await contents(again)).toEqual(await contents(model))
  expect(await lastHidden(again)).toEqual(await lastHidden(model))
  const { tensors } = await SafetensorsFile.open(join(folder, 'model.safetensors'))
  const names = [...tensors.keys()].filter((name) => name.startsWith('model.layers.1'))
  expect(names).toEqual([
    'model.layers.1.post_attention_layernorm.weight',
    'model.layers.1.ffn.weight',
    'model.layers.1.ffn.bias',
  ])
})

async function lastHidden(model: Model): Promise<Float32Array> {
  const forward = new Forward(2, 6)
  const x = embed(await model.embedding(), model.config, someIds(12))
  const y = await forward.layers(model, x, 0, model.config.layers)
  await forward.release()
  return y
}

test('a model that is a Llama everywhere is written without a word of puzzleflow', async () => {
  const model = await openTiny()
  const folder = join(scratch(), 'copy')
  await writeModel(model, folder, { dtype: 'bfloat16' })
  expect(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))).toEqual({ ...tinyConfig, dtype: 'bfloat16' })
  expect((await SafetensorsFile.open(join(folder, 'model.safetensors'))).tensors.get(q)).toMatchObject({
    dtype: 'BF16',
    shape: [32, 24],
  })
})

test('a folder with files in it is never overwritten', async () => {
  const [model, folder] = [await openTiny(), scratch()]
  await writeFile(join(folder, 'mine'), '')
  await expect(writeModel(model, folder, { dtype: 'float32' })).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `${folder} already exists`,
  })
  expect(await readdir(folder)).toEqual(['mine'])
})

test('nothing is left of a model whose weights cannot be read to the end', async () => {
  const model = await openTiny()
  const parent = scratch()
  const broken = { ...model, norm: () => Promise.reject(new Error('disk gone')) }
  await expect(writeModel(broken, join(parent, 'child'), { dtype: 'float32' })).rejects.toThrow('disk gone')
  expect(await readdir(parent)).toEqual([])
})
