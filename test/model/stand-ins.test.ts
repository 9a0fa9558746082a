import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { copyCompanions, openModel, Tokenizer, writing } from '../../model/index.js'
import { readDocuments } from '../../data/documents.js'
import { blocks, scratch, writeTiny } from './tiny.js'

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 123\n`
const isPointer = 'is a Git LFS pointer, not the file itself'
const pull = 'Fetch the content: `git lfs install` and `git lfs pull` where it was cloned.'

const failure = async (work: () => unknown): Promise<unknown> => {
  try {
    return await work()
  } catch (error) {
    return error
  }
}

test.each([
  ['config.json', pointer, isPointer],
  ['model.safetensors', pointer, isPointer],
  ['generation_config.json', pointer, isPointer],
  ['model.safetensors', '<!doctype html><html></html>', 'is a web page, not the file itself'],
  ['model.safetensors', 'Entry not found', 'holds a server’s refusal, not the file itself'],
  ['model.safetensors', '', 'is empty'],
  ['model.safetensors', 'PK\x03\x04 and so on', 'is a zip archive, as PyTorch writes its checkpoints'],
  ['model.safetensors', '../../blobs/' + 'a'.repeat(64), 'holds the text of a symbolic link, not the file itself'],
  ['model.safetensors', 'GGUF\x03\0\0\0', 'is a GGUF file'],
])('%s that holds %j is said for what it is', async (name, text, message) => {
  const folder = await writeTiny()
  const file = join(folder, name)
  writeFileSync(file, text, 'latin1')
  expect(await failure(() => openModel(folder, blocks))).toMatchObject({
    kind: 'InvalidInput',
    message: `${file}: ${message}`,
    remedy: message === isPointer ? pull : (expect.any(String) as string),
  })
})

test('a tokenizer and a GGUF file that are pointers are said to be', async () => {
  const folder = scratch()
  for (const name of ['tokenizer.json', 'm.gguf']) writeFileSync(join(folder, name), pointer)
  expect(await failure(() => openModel(join(folder, 'm.gguf'), blocks))).toMatchObject({
    message: `${join(folder, 'm.gguf')}: ${isPointer}`,
    remedy: pull,
  })
  await rm(join(folder, 'm.gguf'))
  expect(await failure(() => Tokenizer.open(folder))).toMatchObject({
    message: `${join(folder, 'tokenizer.json')}: ${isPointer}`,
  })
})

test.each(['t.txt', 't.jsonl', 't.jsonl.gz', 't.parquet'])('%s that is a pointer is said to be', async (name) => {
  const path = join(scratch(), name)
  writeFileSync(path, pointer)
  const all = async () => {
    for await (const document of readDocuments({ path }, 50)) expect(document).toBeUndefined()
  }
  expect(await failure(all)).toMatchObject({ kind: 'InvalidInput', message: `${path}: ${isPointer}`, remedy: pull })
})

test.each([
  [['pytorch_model.bin'], 'holds weights as Python pickles, which can run code and are never read (pytorch_model.bin)'],
  [
    ['adapter_config.json', 'adapter_model.safetensors'],
    'is an adapter (LoRA), not a whole model (adapter_config.json)',
  ],
  [
    ['consolidated.safetensors'],
    "has the layout of the model's makers, not that of Hugging Face (consolidated.safetensors)",
  ],
  [['model.gguf'], 'holds a GGUF file and no safetensors (model.gguf)'],
  [
    ['model-00001-of-00002.safetensors'],
    'holds shards without model.safetensors.index.json, which lists their tensors (model-00001-of-00002.safetensors)',
  ],
  [
    ['model.safetensors.incomplete'],
    'has no model.safetensors: its download has not finished: there is model.safetensors.incomplete',
  ],
  [['README.md'], 'has neither model.safetensors nor model.safetensors.index.json'],
])('a folder that has %j instead of weights is said for what it is', async (names, message) => {
  const folder = await writeTiny()
  await rm(join(folder, 'model.safetensors'))
  for (const name of names) writeFileSync(join(folder, name), 'x')
  expect(await failure(() => openModel(folder, blocks))).toMatchObject({
    kind: 'InvalidInput',
    message: `${folder} ${message}`,
  })
})

test('a file whose download goes on beside it is not read', async () => {
  const folder = await writeTiny()
  writeFileSync(join(folder, 'model.safetensors.aria2'), '')
  expect(await failure(() => openModel(folder, blocks))).toMatchObject({
    message: `${join(folder, 'model.safetensors')}: is incomplete: model.safetensors.aria2 next to it means that the download has not finished`,
  })
})

test.each([
  ['EACCES', 'InvalidInput', 'permission denied'],
  ['EROFS', 'InvalidInput', 'the file system is read-only'],
  ['ENOTDIR', 'InvalidInput', 'a part of the path is a file, not a folder'],
  ['ENOSPC', 'OutOfDisk', 'the disk is full or a quota is reached'],
])('where the system says %s, writing is a failure of the kind %s', async (code, kind, reason) => {
  const refuse = () => Promise.reject(Object.assign(new Error(code), { code, path: '/there/out' }))
  expect(await failure(() => writing('/there/out', refuse))).toMatchObject({
    kind,
    message: `/there/out cannot be written: ${reason}`,
  })
})

test('what cannot be read elsewhere is not said of the place that is written', async () => {
  const error = Object.assign(new Error('EACCES'), { code: 'EACCES', path: '/elsewhere/model.safetensors' })
  expect(await failure(() => writing('/there/out', () => Promise.reject(error)))).toBe(error)
})

test('a place below a file is refused, and nothing is written', async () => {
  const folder = scratch()
  writeFileSync(join(folder, 'file'), '')
  const place = join(folder, 'file', 'out')
  const made = await failure(() => writing(place, () => mkdirSync(place, { recursive: true })))
  expect(made).toMatchObject({
    kind: 'InvalidInput',
    message: `${place} cannot be written: a part of the path is a file, not a folder`,
  })
})

test.each(['config.json', 'model.safetensors', 'tokenizer_config.json'])(
  'a named pipe, a device and a folder in place of %s are told as what they are, without waiting for them',
  async (name) => {
    const folder = await writeTiny()
    const file = join(folder, name)
    const open = async () => {
      await openModel(folder, blocks)
      Tokenizer.open(folder)
    }
    const kinds: readonly [string, () => unknown][] = [
      ['a named pipe', () => execFileSync('mkfifo', [file])],
      ['a device', () => symlinkSync('/dev/zero', file)],
      ['a folder', () => mkdirSync(file)],
    ]
    for (const [kind, make] of kinds) {
      rmSync(file, { force: true })
      make()
      expect(await failure(open)).toMatchObject({ kind: 'InvalidInput', message: `${file} is ${kind}, not a file` })
    }
  },
)

test('a copy of a model has no file from outside of its folder', async () => {
  const folder = await writeTiny()
  const to = await writeTiny()
  const secret = join(to, 'secret')
  writeFileSync(secret, 'secret')
  symlinkSync(secret, join(folder, 'LICENSE'))
  expect(await failure(() => copyCompanions(folder, to))).toMatchObject({
    kind: 'InvalidInput',
    message: `${join(folder, 'LICENSE')} is a link to ${secret}, outside of the model's folder`,
  })
  expect(existsSync(join(to, 'LICENSE'))).toBe(false)
})

test("links within a model's folder are followed, and those of a cache of Hugging Face to its blobs", async () => {
  const cache = await writeTiny()
  const to = await writeTiny()
  const snapshot = join(cache, 'snapshots/1a2b')
  mkdirSync(snapshot, { recursive: true })
  mkdirSync(join(cache, 'blobs'))
  writeFileSync(join(cache, 'blobs/3c4d'), 'licence')
  symlinkSync('../../blobs/3c4d', join(snapshot, 'LICENSE'))
  symlinkSync('LICENSE', join(snapshot, 'NOTICE'))
  await copyCompanions(snapshot, to)
  for (const name of ['LICENSE', 'NOTICE']) expect(readFileSync(join(to, name), 'utf8')).toBe('licence')
})
