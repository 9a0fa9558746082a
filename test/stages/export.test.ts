import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { embed, Forward, Head, openModel, SafetensorsFile, type Model } from '../../model/index.js'
import type { JsonObject, Outputs } from '../../api/index.js'
import type { LibraryEntry } from '../../puzzle/library.js'
import { difference, flat, fullLogits } from '../model/mixed.js'
import { blocks, someIds } from '../model/tiny.js'
import { asTensors, putTensors, untrainedChild } from './children.js'
import { fakeLibrary, fakeRef, fakeSpace } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { changeWeights, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
writeFileSync(join(world.parent, 'generation_config.json'), '{"eos_token_id": [2, 9]}')
writeFileSync(join(world.parent, 'chat_template.jinja'), 'hello')

interface Setup {
  readonly params?: JsonObject
  readonly folder?: string
  /** By `uptrain`, or by `improve` after it. */
  readonly uptrained?: boolean | 'improved'
  /** The parent's own blocks everywhere. */
  readonly unchanged?: boolean
  /** What the child is for. */
  readonly target?: JsonObject
}

/** The exported child as a folder, the model it was made of, and the parent. */
async function exported({
  params = {},
  folder = world.folder,
  uptrained = false,
  unchanged = false,
  target = {},
}: Setup = {}) {
  const leftOut = uptrained ? {} : { uptrain: false, 'evaluate-child': false }
  const spec = tinySpec({ space: fakeSpace, stages: { export: params, ...leftOut } })
  const search = await Search.open(folder, { ...spec, target: { ...(spec.target as JsonObject), ...target } })
  const parent = await search.parent()
  const untrained = await untrainedChild(search, parent)
  const parents = [0, 1, 2].map((n) => ({ attention: `layer0${n}/attention/parent`, ffn: `layer0${n}/ffn/parent` }))
  const [library, choice]: [readonly LibraryEntry[], unknown] = unchanged
    ? [fakeLibrary(parent, fakeSpace), parents]
    : [untrained.library, untrained.choice]
  search.give('distill', { files: { library: await search.store.putJson('library', library) } })
  search.give('select', { files: { selected: await search.store.putJson('solution', { choice }) } })
  search.give('improve', { values: { attempts: [] } })
  let model: Model = unchanged ? parent : untrained.model
  if (uptrained) {
    const { norm, tensors } = await shaken(model)
    const trained = { files: { child: await putTensors(search, tensors) } }
    search.give('uptrain', uptrained === 'improved' ? { files: { child: fakeRef('first child') } } : trained)
    if (uptrained === 'improved') {
      search.give('select', { files: { selected: fakeRef('first solution') } })
      const selected = await search.store.putJson('solution', { choice })
      search.give('improve', { values: { attempts: [] }, files: { selected, ...trained.files } })
    }
    model = { ...model, norm: async () => norm }
  }
  const outputs = await search.outputs('export')
  return { outputs, model, parent, child: await folderOf(search, outputs) }
}

/** Trained weights: those of a model with another last norm. */
async function shaken(model: Model) {
  const norm = (await model.norm()).map((v) => 1.5 * v)
  let tensors = asTensors({ norm: { shape: [24], data: norm } })
  for (let layer = 0; layer < 3; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      tensors = { ...tensors, ...asTensors(await model.weights(layer, slot), `layers.${layer}.${slot}.`) }
  return { norm, tensors }
}

async function folderOf(search: Search, { files }: Outputs): Promise<string> {
  const folder = join(temporaryFolder(), 'child')
  mkdirSync(folder)
  for (const [name, ref] of Object.entries(files)) copyFileSync(await search.store.path(ref), join(folder, name))
  return folder
}

async function logits(model: Model): Promise<Float32Array> {
  const forward = new Forward(2, 6)
  const x = embed(await model.embedding(), model.config, someIds(12))
  const head = await Head.create(model)
  const y = await forward.layers(model, x, 0, 3)
  const out = new Float32Array(12 * 50)
  for await (const { start, count, logits } of head.logits(y)) out.set(logits.subarray(0, count * 50), start * 50)
  await forward.release()
  await head.release()
  return out
}

test('a child exported in float32 opens again with the same logits, bit for bit', async () => {
  for (const uptrained of [false, true, 'improved'] as const) {
    const { child, model } = await exported({ params: { dtype: 'float32' }, uptrained })
    const again = await openModel(child, blocks)
    expect(again.config.blocks).toEqual(model.config.blocks)
    expect(await logits(again)).toEqual(await logits(model))
  }
})

test('in float16 every weight is rounded once, and logits change no more than by that', async () => {
  const { child, model } = await exported()
  const again = await openModel(child, blocks)
  for (let layer = 0; layer < 3; layer++)
    for (const slot of ['attention', 'ffn'] as const) {
      const [exact, found] = [await model.weights(layer, slot), await again.weights(layer, slot)]
      expect(Object.keys(found).sort()).toEqual(Object.keys(exact).sort())
      for (const [name, { data }] of Object.entries(exact))
        data.forEach((v, i) =>
          expect(Math.abs(found[name]!.data[i]! - v)).toBeLessThanOrEqual(Math.abs(v) * 2 ** -11 + 2 ** -25),
        )
    }
  const [a, b] = [await logits(model), await logits(again)]
  const largest = Math.max(...a.map(Math.abs))
  // A dozen products one after the other, each rounded to 2^-11: a hundredth is more than they can come to.
  a.forEach((v, i) => expect(Math.abs(v - b[i]!)).toBeLessThan(0.01 * largest))
  expect(a).not.toEqual(b)
})

test('slots that were not changed keep the parent’s bytes', async () => {
  const half = await tinyWorld()
  // The parent in float16, as most are.
  const { child: parentFolder } = await exported({ unchanged: true })
  for (const name of ['config.json', 'model.safetensors'])
    copyFileSync(join(parentFolder, name), join(half.parent, name))
  const { child } = await exported({ folder: half.folder })
  const [before, after] = await Promise.all(
    [half.parent, child].map((f) => SafetensorsFile.open(join(f, 'model.safetensors'))),
  )
  const same = [...after!.tensors.keys()].filter((name) => before!.tensors.has(name))
  expect(same).toContain('model.layers.2.mlp.down_proj.weight')
  expect(same).toContain('lm_head.weight')
  for (const name of same) expect(bytesOf(after!.path, name), name).toEqual(bytesOf(before!.path, name))
  const gone = [...before!.tensors.keys()].filter((name) => !after!.tensors.has(name))
  expect(gone.every((name) => /layers.0.self_attn|layers.1.(mlp|post_attention)/.test(name))).toBe(true)
})

/** A tensor as it lies in a safetensors file. */
function bytesOf(path: string, name: string): Uint8Array {
  const file = readFileSync(path)
  const length = Number(file.readBigUInt64LE())
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<string, { data_offsets: [number, number] }>
  const [start, end] = header[name]!.data_offsets
  return file.subarray(8 + length + start, 8 + length + end)
}

test('an unchanged parent keeps its config, but for the type of its weights', async () => {
  const config = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as JsonObject
  const { child } = await exported({ unchanged: true, params: { dtype: 'float32' } })
  expect(config(child)).toEqual(config(world.parent))
  const { child: half } = await exported({ unchanged: true })
  expect(config(half)).toEqual({ ...config(world.parent), dtype: 'float16' })
})

test('all that belongs to the checkpoint comes along', async () => {
  const { outputs } = await exported()
  const names = [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
    'generation_config.json',
    'chat_template.jinja',
    'README.md',
    'configuration_puzzleflow.py',
    'modeling_puzzleflow.py',
  ].sort()
  expect(Object.keys(outputs.files).sort()).toEqual(names)
  expect(outputs.values).toEqual({ files: names, dtype: 'float16' })
})

test('a weight that float16 cannot hold is refused by name', async () => {
  const large = await tinyWorld()
  await changeWeights(large.parent, (weights) => weights['layers.2.ffn.up']!.fill(1e5))
  await expect(exported({ folder: large.folder })).rejects.toMatchObject({
    message: expect.stringMatching(/model.layers.2.mlp.up_proj.weight/) as string,
  })
})

test('where the child shall be GGUF it is written so, too, with numbers as asked for', async () => {
  const ids = await tinyWorld({}, { tokenizer: false })
  const options = { folder: ids.folder, target: { format: 'gguf' } }
  const { child, outputs } = await exported(options)
  expect(outputs.files['child.gguf']).toMatchObject({ kind: 'gguf' })
  const [folder, file] = [await openModel(child, blocks), await openModel(join(child, 'child.gguf'), blocks)]
  // Vectors are float32 in the file, the rest is the same numbers.
  const [a, b] = [await fullLogits(folder, someIds(12)), await fullLogits(file, someIds(12))]
  expect(difference(flat(b), flat(a))).toBeLessThan(1e-5)
  const { outputs: small } = await exported({ ...options, params: { ggufDtype: 'q8_0' } })
  expect(small.files['child.gguf']!.bytes).toBeLessThan(outputs.files['child.gguf']!.bytes)
  expect((await exported({ folder: ids.folder, target: { format: 'hf' } })).outputs.files).not.toHaveProperty([
    'child.gguf',
  ])
})
