import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { InferenceSession } from '../../tensor/engine.js'
import { afterAll, expect, test } from 'vitest'
import { generate, openModel, SafetensorsFile, writeModel, type Model } from '../../model/index.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { packageRoot } from '../../store/paths.js'
import { readTensors, writeTensors } from '../../tensor/index.js'
import { writeTinySearch } from './tiny-search.js'

const folder = await writeTinySearch()
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the command in the folder. */
async function puzzleflow(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = join(packageRoot(), 'dist/cli/main.js')
  const ended = promisify(execFile)(process.execPath, [main, ...args], { cwd: folder })
  return ended.then(
    (output) => ({ code: 0, ...output }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  )
}

const tokens = async (name: string): Promise<number[]> => {
  const found: number[] = []
  for await (const token of generate(await openModel(join(folder, name), makeBlocks()), [4, 5, 6], { maxTokens: 8 }))
    found.push(token)
  return found
}

test('an unchanged parent is exported as a Hugging Face folder with the same tensors, byte by byte', async () => {
  const { code, stdout, stderr } = await puzzleflow('export', 'parent', '--format', 'hf', '-o', 'same', '--json')
  expect(code, stderr).toBe(0)
  expect((JSON.parse(stdout) as { files: object }).files).toHaveProperty(['model.safetensors'])
  const [before, after] = await Promise.all(
    ['parent', 'same'].map((name) => SafetensorsFile.open(join(folder, name, 'model.safetensors'))),
  )
  expect([...after!.tensors.keys()].sort()).toEqual([...before!.tensors.keys()].sort())
  for (const [name, { dtype }] of before!.tensors) {
    expect(after!.tensors.get(name)!.dtype, name).toBe(dtype)
    expect(await after!.read(name), name).toEqual(await before!.read(name))
  }
})

test('a GGUF file is written where its tokenizer can be said, or left out by choice', async () => {
  const refused = await puzzleflow('export', 'parent', '--format', 'gguf', '-o', 'words')
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain('--token-ids')
  expect(existsSync(join(folder, 'words'))).toBe(false)
  const { code, stderr } = await puzzleflow(
    ...['export', 'parent', '--format', 'gguf', '-o', 'words', '--token-ids', '--dtype', 'q8_0'],
  )
  expect(code, stderr).toBe(0)
  expect(readFileSync(join(folder, 'words/model.gguf')).toString('latin1', 0, 4)).toBe('GGUF')
})

test('what is written does not depend on the order of tensors and shards that it was read from', async () => {
  const model = await openModel(join(folder, 'parent'), makeBlocks())
  const write = async (own: Model, name: string) => {
    await writeModel(own, join(folder, name), { dtype: 'float32' })
    return readFileSync(join(folder, name, 'model.safetensors'))
  }
  const plain = await write(model, 'plain')
  const { tensors } = await readTensors(join(folder, 'plain/model.safetensors'))
  const names = Object.keys(tensors)
  for (const [order, shuffled] of Object.entries({ backwards: [...names].reverse(), sorted: [...names].sort() })) {
    const from = join(folder, order)
    mkdirSync(from)
    writeFileSync(join(from, 'config.json'), readFileSync(join(folder, 'plain/config.json')))
    const half = Math.floor(names.length / 2)
    const shards = {
      'model-00002-of-00002.safetensors': shuffled.slice(0, half),
      'model-00001-of-00002.safetensors': shuffled.slice(half),
    }
    const index = { weight_map: {} as Record<string, string> }
    for (const [file, own] of Object.entries(shards)) {
      await writeTensors(join(from, file), Object.fromEntries(own.map((name) => [name, tensors[name]!])))
      for (const name of own) index.weight_map[name] = file
    }
    writeFileSync(join(from, 'model.safetensors.index.json'), JSON.stringify(index))
    expect((await write(await openModel(from, makeBlocks()), `${order}-written`)).equals(plain), order).toBe(true)
  }
})

test('an exported ONNX graph is one that onnxruntime opens, with the cache as inputs', async () => {
  const { code, stderr } = await puzzleflow('export', 'parent', '--format', 'onnx', '-o', 'graph', '--dtype', 'float32')
  expect(code, stderr).toBe(0)
  const session = await InferenceSession.create(join(folder, 'graph/model.onnx'))
  expect(session.inputNames).toEqual(expect.arrayContaining(['input_ids', 'past_key_values.0.key']))
})

test('a model above the limit is written in shards with an index, and opens as the same model', async () => {
  const model = await openModel(join(folder, 'parent'), makeBlocks())
  await writeModel(model, join(folder, 'shards'), { dtype: 'float32', shardBytes: 4000 })
  const files = readdirSync(join(folder, 'shards')).filter((name) => name.endsWith('.safetensors'))
  expect(files.length).toBeGreaterThan(2)
  const index = JSON.parse(readFileSync(join(folder, 'shards/model.safetensors.index.json'), 'utf8')) as {
    metadata: { total_size: number }
    weight_map: Record<string, string>
  }
  expect([...new Set(Object.values(index.weight_map))].sort()).toEqual(files.sort())
  expect(index.metadata.total_size % 4).toBe(0)
  expect(await tokens('shards')).toEqual(await tokens('parent'))
})

test.each([
  [['--format', 'tar', '-o', 'new'], 'Allowed choices are hf, onnx'],
  [['--format', 'onnx', '-o', 'new', '--dtype', 'bfloat16'], 'does not support bfloat16'],
  [['--format', 'hf', '-o', 'taken'], 'taken already exists'],
  [['--format', 'hf', '-o', 'taken/file'], 'already exists'],
])('%j is refused, and changes nothing', async (args, message) => {
  mkdirSync(join(folder, 'taken'), { recursive: true })
  writeFileSync(join(folder, 'taken/file'), 'mine')
  const { code, stderr } = await puzzleflow('export', 'parent', ...args)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
  expect(existsSync(join(folder, 'new'))).toBe(false)
  expect(readdirSync(join(folder, 'taken'))).toEqual(['file'])
})
