import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { openHarness } from '../../data/harness/read.js'
import { readDocuments } from '../../data/documents.js'
import { readParquetRows } from '../../data/parquet-rows.js'
import { readLines } from '../../data/text-files.js'
import { Failure } from '../../errors/failure.js'
import { within } from '../../errors/within.js'
import { openModel, type Scenario } from '../../model/index.js'
import { Template } from '../../model/jinja/template.js'
import { parseConfig } from '../../model/hf/read-config.js'
import { shardNames } from '../../model/weight-files.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { sizes } from '../../puzzle/costs.js'
import { readCostTable } from '../../puzzle/imported-costs.js'
import { withoutBlocks } from '../../puzzle/made-up.js'
import { digestBytes, digestJson } from '../../store/digest.js'
import { S3Checkpoints } from '../../store/s3-checkpoints.js'
import { parquetOf, plain } from '../data/write-parquet.js'
import { temporaryFolder } from '../temporary-folder.js'
import { json, parent } from './readers/models.js'
import { Answers } from './s3-answers.js'

/** What a file is refused with. */
async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    return (error as Failure).message
  }
  return 'read'
}

test.each<[object, string]>([
  [{ architectures: [{ toString: null }] }, 'the architecture {"toString":null} (model_type "llama") is not supported'],
  [{ bos_token_id: 2 ** 53 }, '"bos_token_id" has 9007199254740992, not the id of a token'],
  [{ eos_token_id: [1, 0.5] }, '"eos_token_id" has 0.5, not the id of a token'],
  [
    {
      ...{ model_type: 'nemotron-nas', architectures: ['DeciLMForCausalLM'] },
      block_configs: Array.from({ length: 8 }, () => ({ attention: { n_heads_in_group: 1 }, ffn: { ffn_mult: 1e-5 } })),
    },
    'the FFN of layer 0 has the width 0, not a positive whole number',
  ],
])('a config.json with %j is refused', async (fields, expected) => {
  const text = JSON.stringify({ ...json('config.json'), ...fields })
  expect(await refusal(() => parseConfig(text, 'FILE'))).toContain(expected)
})

test('a token -1 of config.json is none, as some files mean it', () => {
  const text = JSON.stringify({ ...json('config.json'), bos_token_id: -1, eos_token_id: [-1, 2] })
  const { bos, eos } = parseConfig(text, 'FILE')
  expect([bos, eos]).toEqual([undefined, [2]])
})

test('a cost whose error is not a number is refused', async () => {
  const model = await openModel(parent, makeBlocks())
  const scenario: Scenario = { batch: 1, prefill: 8, generate: 8, weights: 'float32', cache: 'float32' }
  const floor = { prefillSeconds: 1, decodeSeconds: 1, error: {}, ...sizes(withoutBlocks(model), scenario) }
  const file = join(temporaryFolder(), 'costs.json')
  writeFileSync(file, JSON.stringify({ version: 1, scenario, floor, attention: {}, ffn: {} }))
  const said = await refusal(() => readCostTable(file, model, scenario, []))
  expect(said).toContain('error is {}, not a number of at least 0')
})

test('an index with thousands of long names of files that are missing is told in a few lines', async () => {
  const folder = temporaryFolder()
  const names = Array.from({ length: 1000 }, (_, i) => [`tensor-${i}`, `${'x'.repeat(1000)}-${i}.safetensors`] as const)
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: Object.fromEntries(names) }))
  const said = await refusal(() => shardNames(folder))
  expect(said).toContain('lacks 1000 of 1000 shards')
  expect(said.length).toBeLessThan(3000)
})

test.each(['..', '.', 'a/b', '/etc/passwd', 'a\\b', 'a\0b', '', '.hidden'])('no shard is called %j', async (name) => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: name } }))
  expect(await refusal(() => shardNames(folder))).toContain('which is not in the folder')
})

test('a message that is nested deeper than a template can read is refused with its place', async () => {
  const file = join(temporaryFolder(), 'a.jsonl')
  writeFileSync(file, `{"messages":[{"role":"user","content":[${'['.repeat(505)}${']'.repeat(505)}]}]}\n`)
  const read = async () => {
    for await (const document of readDocuments({ path: file }, 100)) void document
  }
  expect(await refusal(read)).toMatch(/a\.jsonl:1:\d+: is not JSON: more than 500 nested lists and objects/)
})

test('a gzip bomb of short lines ends soon', async () => {
  const file = join(temporaryFolder(), 'a.jsonl.gz')
  const packed = gzipSync('word\n'.repeat(200_000))
  writeFileSync(file, Buffer.concat(Array.from({ length: 10 }, () => packed)))
  const read = async () => {
    for await (const line of readLines(file, 'Mend it.')) void line
  }
  expect(await refusal(read)).toMatch(/unpacks to more than \d+ bytes/)
})

test('work has its time whatever the clock says: it is begun again if it was stopped for a while', () => {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  let calls = 0
  const result = within(50, () => {
    // As if the process were stopped: the clock goes on, and no processor is used.
    if (calls++ === 0) while (true) Atomics.wait(sleeper, 0, 0, 5)
    return 'done'
  })
  expect(result).toEqual({ done: true, value: 'done' })
  expect(
    within(50, () => {
      for (;;);
    }),
  ).toEqual({ done: false })
})

const answers = new Answers()
const key = digestJson('key')
const reply = (body: string) => ({ status: 200, headers: { etag: '"e"' }, body })

test.each<[string, object]>([
  ['no files', { version: 1 }],
  ['files that are a text', { version: 1, files: 'abc' }],
  ['a name with NUL', { version: 1, files: { 'a\0': digestBytes('abc') } }],
  ['an empty name', { version: 1, files: { '': digestBytes('abc') } }],
  ['a name outside of the folder', { version: 1, files: { '../x': digestBytes('abc') } }],
  ['a file in a file', { version: 1, files: { a: digestBytes('abc'), 'a/b': digestBytes('abc') } }],
  ['a digest that is a path', { version: 1, files: { a: '../../x' } }],
])('a checkpoint in S3 whose manifest has %s is passed over', async (_, manifest) => {
  const folder = temporaryFolder()
  const checkpoints = new S3Checkpoints(await answers.bucket(), join(folder, 'checkpoints'))
  answers.set([reply(JSON.stringify(manifest)), reply('abc')])
  mkdirSync(await checkpoints.open(key), { recursive: true })
  await checkpoints.fetch(key)
  expect(readdirSync(folder)).toEqual(['checkpoints'])
  expect(readdirSync(join(folder, 'checkpoints'))).toEqual([key])
})

test.each<[string, object, string]>([
  ['a time that is none', { headers: { 'last-modified': 'yesterday' }, body: 'a' }, 'gives an unreadable answer'],
  ['too deep XML', { body: '<a>'.repeat(20_000), list: true }, 'gives an unreadable answer'],
  [
    'the same page again and again',
    {
      body: '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>',
      list: true,
    },
    'lists the same page again and again',
  ],
])('an S3 server that answers with %s is told of', async (_, answer, expected) => {
  const { list, ...given } = { status: 200, headers: {}, list: false, ...(answer as { body: string }) }
  const bucket = await answers.bucket()
  answers.set([given])
  const read = async () => {
    if (!list) return bucket.text('x')
    for await (const item of bucket.list('')) void item
    return undefined
  }
  expect(await refusal(read)).toContain(expected)
})

test('a task of which nothing is left is refused', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'empty.yaml'), '{}\n')
  writeFileSync(join(folder, 'task.yaml'), 'include: empty.yaml\n')
  expect(await refusal(() => openHarness(join(folder, 'task.yaml')))).toMatch(
    /task\.yaml: has no keys$|empty or has no/,
  )
})

test('a Parquet file without columns, of two thousand million rows, is refused', async () => {
  const file = join(temporaryFolder(), 'a.parquet')
  writeFileSync(file, parquetOf({ page: plain('one', 'two'), columns: -2, rows: 2 ** 31 - 1 }))
  const read = async () => {
    for await (const row of readParquetRows(file, undefined, [], (bad) => bad('has none'))) void row
  }
  expect(await refusal(read)).toMatch(/has no columns|is not a complete Parquet file/)
})

test.each<[string, string]>([
  ["{{ '\\ud800' | urlencode }}", 'UnicodeEncodeError: surrogates not allowed'],
  [`{{ 'a"b' ${'| tojson '.repeat(40)} | length }}`, 'it makes a text of more than 16777216 characters'],
])('the template %s ends with a message', (template, expected) => {
  const render = () => new Template(template).render([], new Date(0))
  expect(render).toThrow(expected)
})

test('a template may write out as much as it is given', () => {
  const text = 'x'.repeat(2 ** 24)
  expect(new Template('{{ text }}{{ text }}').render([['text', text]], new Date(0))).toHaveLength(2 ** 25)
})
