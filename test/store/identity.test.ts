import { cpSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { FileStore } from '../../store/index.js'
import { temporaryFolder } from '../temporary-folder.js'

let base: string
let store: string
beforeEach(() => {
  base = temporaryFolder('identity')
  store = join(base, 'store')
})
const idOf = (root: string) => new FileStore(root).id
const at = (name: string) => join(base, name)

test('a store has one identity, and another store another', () => {
  expect(idOf(store)).toMatch(/^[0-9a-f]{12}$/)
  expect(idOf(store)).toBe(idOf(store))
  expect(idOf(at('other'))).not.toBe(idOf(store))
})

test('looking into a folder that is no store does not make one', async () => {
  const none = new FileStore(at('typo'))
  expect(await none.listDocuments('runs')).toEqual([])
  expect(() => readFileSync(join(none.root, 'store.json'))).toThrow('ENOENT')
})

test('a store that is moved keeps its identity, wherever and how often', () => {
  const id = idOf(store)
  renameSync(store, at('second'))
  expect(idOf(at('second'))).toBe(id)
  renameSync(at('second'), at('third'))
  expect(idOf(at('third'))).toBe(id)
})

test('a store that comes from another machine keeps its identity', () => {
  mkdirSync(store)
  const place = { host: 'another-machine', path: store }
  writeFileSync(join(store, 'store.json'), JSON.stringify({ version: 1, id: '0123456789ab', place }))
  renameSync(store, at('mounted'))
  mkdirSync(store)
  expect(idOf(at('mounted'))).toBe('0123456789ab')
})

test('a copy beside its original gets an identity of its own, which stays', () => {
  const id = idOf(store)
  cpSync(store, at('copy'), { recursive: true })
  const copy = idOf(at('copy'))
  expect(copy).not.toBe(id)
  expect([idOf(at('copy')), idOf(store)]).toEqual([copy, id])
  rmSync(store, { recursive: true })
  expect(idOf(at('copy'))).toBe(copy)
})

test('a copy of a store that was moved gets an identity of its own', () => {
  const id = idOf(store)
  renameSync(store, at('moved'))
  expect(idOf(at('moved'))).toBe(id)
  cpSync(at('moved'), at('copy'), { recursive: true })
  expect(idOf(at('copy'))).not.toBe(id)
})

test('one store that is seen at two places is no copy', () => {
  const id = idOf(store)
  mkdirSync(at('mount'))
  // As another mount shows it: the same file.
  linkSync(join(store, 'store.json'), at('mount/store.json'))
  expect(idOf(at('mount'))).toBe(id)
})

test('a damaged identity is refused, and no new one made up', () => {
  idOf(store)
  writeFileSync(join(store, 'store.json'), '{"version": 1, "id')
  expect(() => idOf(store)).toThrow('does not say which store this is')
})
