import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FileStore } from '../../store/index.js'
import { storeContract } from './contract.js'
import { temporaryFolder } from '../temporary-folder.js'

describe('a store in a folder', () => {
  storeContract(() => {
    const root = join(temporaryFolder('store'), 'store')
    const dayAgo = new Date(Date.now() - 24 * 60 * 60_000)
    return {
      location: root,
      open: async () => new FileStore(root),
      file: (name) => join(root, name),
      age: (name) => utimesSync(join(root, name), dayAgo, dayAgo),
    }
  })
})

test('an artifact that changes or goes after it was read is noticed by the process that read it', async () => {
  const store = new FileStore(temporaryFolder('store'))
  const one = await store.putBytes('text', Buffer.from('whole'))
  const two = await store.putBytes('text', Buffer.from('other'))
  writeFileSync(await store.path(one), 'broke')
  rmSync(await store.path(two))
  expect([await store.has(one), await store.has(two)]).toEqual([false, false])
})
