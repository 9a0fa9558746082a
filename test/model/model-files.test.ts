import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, join, relative } from 'node:path'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  companions,
  copyCompanions,
  modelFiles,
  openModel,
  Tokenizer,
  writeGguf,
  writeModel,
} from '../../model/index.js'
import { ChatTemplate, readGenerationConfig } from '../../model/index.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { readFolder, taskFiles } from '../../data/task-items.js'
import { digestPath } from '../../spec/input-digests.js'

const blocks = makeBlocks(builtInBlocks)
const quickstart = join(import.meta.dirname, '../../examples/quickstart')
const clutter = [
  'README.md',
  'optimizer.safetensors',
  'training_args.bin',
  'logs/a.txt',
  '.git/HEAD',
  'image.png',
  'pytorch_model.bin',
]

/** Files that were opened, as the file system is told. */
const opened = new Set<string>()
const calls = [
  [fs, ['readFileSync', 'openSync', 'copyFileSync', 'createReadStream', 'readFile', 'open']],
  [fs.promises, ['readFile', 'open', 'copyFile']],
] as unknown as readonly [Record<string, (...args: unknown[]) => unknown>, readonly string[]][]
const own = calls.map(([of, names]) => names.map((name) => of[name]!))
beforeAll(() => {
  for (const [k, [of, names]] of calls.entries())
    for (const [i, name] of names.entries())
      of[name] = (...args) => {
        if (typeof args[0] === 'string') opened.add(args[0])
        return own[k]![i]!.apply(of, args)
      }
  syncBuiltinESMExports()
})
afterAll(() => {
  for (const [k, [of, names]] of calls.entries()) for (const [i, name] of names.entries()) of[name] = own[k]![i]!
  syncBuiltinESMExports()
})

/** Names of the files of a folder that some work opens. */
async function openedBy(folder: string, work: () => Promise<unknown>): Promise<string[]> {
  opened.clear()
  await work()
  const names = [...opened].filter((path) => path.startsWith(`${folder}/`)).map((path) => relative(folder, path))
  return names.filter((name) => fs.existsSync(join(folder, name))).sort()
}

/** Reads all that anything reads of a model. */
async function readAll(path: string, isChat: boolean): Promise<void> {
  const model = await openModel(path, blocks)
  await Promise.all([
    model.embedding(),
    model.head(),
    model.norm(),
    model.weights(0, 'attention'),
    model.weights(1, 'ffn'),
  ])
  Tokenizer.open(path)
  await readGenerationConfig(path)
  if (isChat) ChatTemplate.open(path)
  await copyCompanions(path, fs.mkdtempSync(join(tmpdir(), 'companions-')))
}

function writeBelow(folder: string, name: string, text: string): void {
  fs.mkdirSync(join(folder, name, '..'), { recursive: true })
  fs.writeFileSync(join(folder, name), text)
}

const addClutter = (folder: string): void => clutter.forEach((name) => writeBelow(folder, name, 'x'))

const makeFolder = () => fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'model-')))

test.each<[what: string, make: (folder: string) => Promise<void>, more: readonly string[]]>([
  [
    'a folder of one file with all that belongs to a checkpoint',
    async (folder) => {
      fs.cpSync(join(quickstart, 'parent'), folder, { recursive: true })
      for (const name of [...companions, 'chat_template.jinja', 'additional_chat_templates/tool_use.jinja'])
        if (!fs.existsSync(join(folder, name))) writeBelow(folder, name, name.endsWith('.json') ? '{}' : 'x')
    },
    [
      'config.json',
      'model.safetensors',
      'chat_template.jinja',
      'additional_chat_templates/tool_use.jinja',
      ...companions,
    ],
  ],
  [
    'a folder of shards',
    async (folder) => {
      const model = await openModel(join(quickstart, 'parent'), blocks)
      await writeModel(model, folder, { dtype: 'float16', shardBytes: 2e6 })
    },
    [
      'config.json',
      'model.safetensors.index.json',
      'model-00001-of-00004.safetensors',
      'model-00002-of-00004.safetensors',
    ],
  ],
  [
    'a folder with a GGUF file',
    async (folder) => {
      await writeGguf(await openModel(join(quickstart, 'parent'), blocks), join(folder, 'q.gguf'), { dtype: 'float16' })
      fs.writeFileSync(join(folder, 'generation_config.json'), '{}')
    },
    ['generation_config.json', 'q.gguf'],
  ],
])('of %s the key covers what is read, and nothing else', async (what, make, some) => {
  const folder = makeFolder()
  await make(folder)
  const isChat = what.includes('all that belongs')
  const before = await digestPath(folder, { files: modelFiles })
  addClutter(folder)
  const files = modelFiles(folder)
  expect(files).toEqual(expect.arrayContaining([...some]))
  expect(await openedBy(folder, () => readAll(folder, isChat))).toEqual(files)
  // What lies beside it changes no key.
  expect(await digestPath(folder, { files: modelFiles })).toEqual(before)
  for (const name of files) expect(before.listing).toHaveProperty([name])
})

test('a folder that has nothing else has the digest that it always had', async () => {
  const folder = join(quickstart, 'parent')
  expect(await digestPath(folder, { files: modelFiles })).toEqual(await digestPath(folder))
  expect(await digestPath(join(quickstart, 'tasks'), { files: taskFiles })).toEqual(
    await digestPath(join(quickstart, 'tasks')),
  )
})

test('of tasks the key covers tasks.json and the files that it names', async () => {
  const folder = join(makeFolder(), 'tasks')
  fs.cpSync(join(quickstart, 'tasks'), folder, { recursive: true })
  fs.writeFileSync(join(folder, 'other.jsonl'), 'x')
  addClutter(folder)
  const tokenizer = Tokenizer.open(join(quickstart, 'parent'))
  const read = await openedBy(folder, () => readFolder(folder, tokenizer, 1))
  expect(read).toEqual(await taskFiles(folder))
  expect(read.map((name) => basename(name))).not.toContain('other.jsonl')
})
