import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rememberedValidation, type Checked } from '../../cli/remembered-validation.js'

let folder: string
let spec: string
const before = process.env.XDG_CACHE_HOME
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'puzzleflow-remembered-'))
  process.env.XDG_CACHE_HOME = join(folder, 'cache')
  spec = join(folder, 'search.yaml')
  mkdirSync(join(folder, 'model'))
  for (const file of ['search.yaml', 'model/config.json', 'data.jsonl']) writeFileSync(join(folder, file), 'a')
})
afterEach(() => {
  if (before === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = before
  rmSync(folder, { recursive: true })
})

const found = { diagnostics: [], notes: ['a note'], plan: { digest: 'd', stages: 17 } }
const read = () => ['model', 'model/config.json', 'data.jsonl'].map((name) => join(folder, name))
let checks = 0
/** Long enough after the files were written that they cannot have changed unnoticed. */
const later = () => new Promise((resolve) => setTimeout(resolve, 50))
async function validate(checked: Checked = { found, read: read() }, ...set: string[]) {
  checks = 0
  const answer = await rememberedValidation(spec, set, () => {
    checks++
    return Promise.resolve(checked)
  })
  return { answer, checks }
}

test('a valid spec is checked once, as long as it and what it names stay as they are', async () => {
  await later()
  expect(await validate()).toEqual({ answer: found, checks: 1 })
  expect(await validate()).toEqual({ answer: found, checks: 0 })
  expect(await validate(undefined, 'seed=2')).toMatchObject({ checks: 1 })
})

test.for<[what: string, change: () => void]>([
  ['its text changes', () => writeFileSync(spec, 'b')],
  ['a file that it names changes', () => writeFileSync(join(folder, 'data.jsonl'), 'b')],
  ['such a file is gone', () => rmSync(join(folder, 'data.jsonl'))],
  [
    'a file changes, and has its old time again',
    () => {
      writeFileSync(join(folder, 'data.jsonl'), 'b')
      utimesSync(join(folder, 'data.jsonl'), 1, 1)
    },
  ],
  ['a model’s folder has a new file', () => writeFileSync(join(folder, 'model/tokenizer.json'), 'b')],
])('it is checked again if %s', async ([, change]) => {
  await later()
  await validate()
  change()
  expect(await validate()).toMatchObject({ checks: 1 })
})

test('what was changed while it was checked is not remembered', async () => {
  await later()
  const changing = async () => {
    writeFileSync(join(folder, 'data.jsonl'), 'b')
    return { found, read: read() }
  }
  await rememberedValidation(spec, [], changing)
  expect(await validate()).toMatchObject({ checks: 1 })
})

test('neither mistakes are remembered, nor what depends on more than files', async () => {
  await later()
  await validate({ found: { diagnostics: [], notes: [] }, read: read() })
  expect(await validate({ found })).toMatchObject({ checks: 1 })
  expect(await validate()).toMatchObject({ checks: 1 })
})

test('the oldest of very many are forgotten', async () => {
  await later()
  await validate()
  const kept = join(folder, 'cache/puzzleflow/validated')
  for (let i = 0; i < 300; i++) writeFileSync(join(kept, `${i}.json`), '')
  for (let i = 0; i < 300; i++) utimesSync(join(kept, `${i}.json`), i, i)
  await validate(undefined, 'seed=2')
  const left = readdirSync(kept)
  expect(left.length).toBe(200)
  expect(left).not.toContain('0.json')
  expect(await validate()).toMatchObject({ checks: 0 })
})
