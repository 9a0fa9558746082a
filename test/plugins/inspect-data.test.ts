import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { openModel } from '../../model/index.js'
import { inspectData } from '../../plugins/inspect/data.js'
import { inspectPrompts } from '../../plugins/inspect/prompts.js'
import { blocks } from '../model/tiny.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinyWorld } from '../stages/world.js'

const parquet = join(import.meta.dirname, '../data/parquet')
const [world, bare] = [await tinyWorld(), await tinyWorld({}, { tokenizer: false })]
const { config } = await openModel(world.parent, blocks)

/** What is said of a file of training data; its path is FILE. */
async function said(
  name: string,
  content?: string | Uint8Array,
  { model = world.parent, column }: { model?: string; column?: string } = {},
) {
  const path = join(temporaryFolder(), name)
  if (content === undefined) cpSync(join(parquet, name), path)
  else writeFileSync(path, content)
  const data = { train: { path, ...(column !== undefined && { column }) }, sequenceLength: 4 }
  const problems = await inspectData({ model, data }, config)
  return problems.map(({ path: at, code, message }) => `${at.join('.')} ${code} ${message.replaceAll(path, 'FILE')}`)
}
const ids = JSON.stringify({ input_ids: [1, 5, 9, 8] })
const messages = JSON.stringify({ messages: [{ role: 'user', content: 'w0' }] })

test('good data in every kind of file has no mistakes', async () => {
  for (const codec of ['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])
    expect(await said(`text-${codec}.parquet`)).toEqual([])
  expect(await said('content.parquet', undefined, { column: 'content' })).toEqual([])
  expect(await said('a.jsonl.gz', gzipSync(`${ids}\n${ids}`))).toEqual([])
  expect(await said('a.txt.gz', gzipSync('w0 w1 w2 w3 w4 w5 w6 w7'))).toEqual([])
})

test('token ids need no tokenizer, in lines or rows; texts and conversations do', async () => {
  const model = bare.parent
  expect(await said('a.jsonl', `${ids}\n${ids}`, { model })).toEqual([])
  expect(await said('ids-int64.parquet', undefined, { model })).toEqual([])
  for (const [name, content] of [['text-zstd.parquet'], ['a.jsonl', messages], ['a.txt', 'w0']] as const)
    expect(await said(name, content, { model })).toEqual([
      expect.stringMatching(/^model bad-tokenizer .*tokenizer.json cannot be read/),
    ])
})

test.each<[string, string, string | Uint8Array | undefined, string]>([
  [
    'a broken gzip',
    'a.jsonl.gz',
    gzipSync(`${ids}\n${ids}`).subarray(0, 30),
    'FILE: is not a whole gzip file: unexpected end of file.',
  ],
  [
    'a Parquet file without the column',
    'content.parquet',
    undefined,
    'FILE: has no "text", "input_ids", "messages", "conversations", or "prompt" with "completion": it has "content".',
  ],
  ['a Parquet file without rows', 'empty.parquet', undefined, 'FILE holds 0 tokens: fewer than two sequences of 4.'],
  [
    'a row group too large to hold',
    'huge.parquet',
    undefined,
    'FILE: rows 1 to 2: 1200000038 bytes in one row group, more than 1073741824.',
  ],
  [
    'a line that is not JSON after enough tokens',
    'a.jsonl',
    `${ids}\n${ids}\n${ids}\n{`,
    'FILE:4:2: is not JSON: the end where a key in double quotes should be.',
  ],
  [
    'a line that is not UTF-8 after enough tokens',
    'a.jsonl',
    Buffer.from(`${ids}\n${ids}\n"\xff"`, 'latin1'),
    'FILE:3: is not UTF-8 at byte 49.',
  ],
  [
    'messages of wrong types after enough tokens',
    'a.jsonl',
    `${ids}\n${ids}\n{"messages": [{"role": 1}]}`,
    'FILE:3: has a message (number 1) without a "role" that is text.',
  ],
  ['messages without a chat template', 'a.jsonl', messages, `FILE:1: ${world.parent}: has no chat template.`],
])('%s is said at its place', async (_, name, content, message) => {
  expect(await said(name, content)).toEqual([`data.train.path bad-data ${message}`])
})

test('what a large file has beyond what is looked at is left to the run', async () => {
  const line = `${JSON.stringify({ text: 'w0 '.repeat(2 ** 22) })}\n`
  expect(await said('a.jsonl.gz', gzipSync(`${ids}\n${ids}\n${line.repeat(11)}not JSON`, { level: 0 }))).toEqual([])
  expect(await said('a.jsonl.gz', gzipSync(`${ids}\n${ids}\n${line.repeat(2)}not JSON`, { level: 0 }))).toEqual([
    'data.train.path bad-data FILE:5:1: is not JSON: not.',
  ])
})

test.each<[string, string, string, string | undefined]>([
  ['prompts, one a line', 'a.txt', 'w0 w1\n\nw2\n', undefined],
  ['prompts as texts and token ids', 'a.jsonl', '{"text": "w0 w1"}\n{"input_ids": [1, 5]}\n', undefined],
  ['no prompt', 'a.txt', '\n \n', 'FILE holds no prompts.'],
  ['an empty one', 'a.jsonl', '{"text": "w0"}\n{"text": ""}\n', 'FILE:2: has a prompt that is null or empty.'],
  [
    'a token that is none',
    'a.jsonl',
    '{"input_ids": [1, 500]}',
    'FILE:1: has 500 in its "input_ids" (number 2), which is not a token id of the model.',
  ],
  ['one that is too long', 'a.txt', `w0\n${'w1 '.repeat(256)}`, 'FILE: prompt 2 has 257 tokens.'],
  ['too many', 'a.txt', 'w0\n'.repeat(101), 'FILE: holds more than 100 prompts.'],
  ['a conversation without a chat template', 'a.jsonl', messages, `FILE:1: ${world.parent}: has no chat template.`],
])('a file of %s', async (_, name, content, message) => {
  const prompts = join(temporaryFolder(), name)
  writeFileSync(prompts, content)
  const stages = [
    { name: 'evaluate-child', uses: 'evaluate', params: { prompts } },
    { name: 'check-child', uses: 'evaluate', params: {} },
  ]
  const problems = await inspectPrompts(stages, { folder: world.parent, config })
  expect(problems.map((own) => `${own.path.join('.')} ${own.code} ${own.message.replaceAll(prompts, 'FILE')}`)).toEqual(
    message === undefined ? [] : [`stages.evaluate-child.prompts bad-prompts ${message}`],
  )
})
