import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { digestJson } from '../../store/digest.js'
import { FileStore, MissingArtifact } from '../../store/index.js'

let root: string
let store: FileStore
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'puzzleflow-store-'))
  store = new FileStore(root)
})
const files = () => readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())

test('what is put can be read, and the same content is kept once', async () => {
  const one = await store.putJson('table', { b: 1, a: [2] })
  const two = await store.putJson('table', { a: [2], b: 1 })
  expect(two).toEqual(one)
  expect(await store.readJson(one)).toEqual({ a: [2], b: 1 })
  expect(files()).toHaveLength(1)
})

test('a file is moved into the store', async () => {
  const path = join(root, 'result')
  writeFileSync(path, 'content')
  const ref = await store.putFile('text', path)
  expect(ref.bytes).toBe(7)
  expect(await store.has(ref)).toBe(true)
  expect(files()).toHaveLength(1)
})

test('a corrupt artifact is set aside and counts as missing', async () => {
  const ref = await store.putBytes('text', Buffer.from('whole'))
  writeFileSync(await store.path(ref), 'broken')
  const other = new FileStore(root)
  await expect(other.path(ref)).rejects.toThrow(MissingArtifact)
  expect(await other.has(ref)).toBe(false)
  await other.putBytes('text', Buffer.from('whole'))
  expect(await other.has(ref)).toBe(true)
})

test('an artifact that changes or goes after it was read is noticed by the process that read it', async () => {
  const one = await store.putBytes('text', Buffer.from('whole'))
  const two = await store.putBytes('text', Buffer.from('other'))
  writeFileSync(await store.path(one), 'broke')
  rmSync(await store.path(two))
  expect([await store.has(one), await store.has(two)]).toEqual([false, false])
})

test('records are found by key; half a record counts as none', async () => {
  const key = digestJson('key')
  const record = {
    version: 1,
    key,
    components: {},
    outputs: { values: { n: 1 }, files: {} },
    seconds: 1,
    finishedAt: '',
    host: '',
  } as const
  expect(await store.getRecord(key)).toBeUndefined()
  await store.putRecord(record)
  expect(await store.getRecord(key)).toEqual(record)
  writeFileSync(join(root, 'records', key.slice(0, 2), `${key}.json`), '{"version": 1, "ke')
  expect(await store.getRecord(key)).toBeUndefined()
})

test('documents cannot lie outside of the store', async () => {
  await expect(async () => store.putDocument('../outside', {})).rejects.toThrow('document name')
  await store.putDocument('runs/one', { a: 1 })
  expect(await store.listDocuments('runs')).toEqual(['runs/one'])
})
