import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../api/index.js'
import { digestJson } from '../../store/digest.js'
import { FileStore, type TaskRecord } from '../../store/index.js'
import { Machine } from './machine.js'
import { canMount, mountDisk, unmountDisk } from './small-disk.js'
import { temporaryFolder } from '../temporary-folder.js'

const mebibyte = 2 ** 20
let folder: string
let isMounted = false
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'puzzleflow-disk-'))
})
afterEach(() => {
  if (isMounted) unmountDisk(folder)
  isMounted = false
  rmSync(folder, { recursive: true, force: true })
})

const mount = (...options: string[]) => mountDisk(folder, ...options)
const mounts = canMount()
const why = mounts ? '' : ' (skipped: this user cannot mount a tmpfs)'

const failureOf = async (work: Promise<unknown>): Promise<Failure> => {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof Failure)) throw error
  return error
}

const record: TaskRecord = {
  version: 1,
  key: digestJson({}),
  components: {},
  outputs: { values: {}, files: {} },
  seconds: 0,
  finishedAt: '',
  host: '',
}

describe.skipIf(!mounts)(`on a disk of its own${why}`, () => {
  test('a disk that fills up in the middle of a write fails as such, and leaves no half file', async () => {
    mount('-o', 'size=2m')
    isMounted = true
    const store = new FileStore(folder)
    const before = await store.putBytes('bytes', Buffer.alloc(mebibyte, 'a'))
    const failure = await failureOf(store.putBytes('bytes', Buffer.alloc(mebibyte + 5000, 'b')))
    expect(failure.kind).toBe('OutOfDisk')
    expect(failure.message).toMatch(/^The disk is full: /)
    expect(failure.remedy).toContain('--store')
    const stored = []
    for await (const { digest } of store.artifacts()) stored.push(digest)
    expect(stored).toEqual([before.digest])
    expect(readdirSync(join(folder, 'scratch'))).toEqual([])
    // What was freed can be used.
    await store.removeArtifact(before.digest, Infinity)
    expect(await store.has(await store.putBytes('bytes', Buffer.alloc(mebibyte + 5000, 'b')))).toBe(true)
  })

  test('a file that does not fit is still where it was', async () => {
    mount('-o', 'size=1m')
    isMounted = true
    const path = join(temporaryFolder('elsewhere'), 'large')
    writeFileSync(path, Buffer.alloc(2 * mebibyte))
    expect((await failureOf(new FileStore(folder).putFile('bytes', path))).kind).toBe('OutOfDisk')
    expect(existsSync(path)).toBe(true)
  })

  test('a store that becomes read-only is read, and says that it cannot be written', async () => {
    mount()
    isMounted = true
    const store = new FileStore(folder)
    const id = store.id
    const ref = await store.putJson('table', { a: 1 })
    await store.putRecord(record)
    execFileSync('mount', ['-o', 'remount,ro', folder])
    const other = new FileStore(folder)
    expect([other.id, await other.readJson(ref), await other.useRecord(record.key)]).toEqual([id, { a: 1 }, record])
    expect(await other.putJson('table', { a: 1 })).toEqual(ref)
    const failure = await failureOf(other.putJson('table', { a: 2 }))
    expect([failure.kind, failure.remedy]).toEqual([
      'NoServer',
      'Make the folder readable and writable for this user, or choose another store with --store.',
    ])
    const machine = new Machine()
    const { code, stderr } = await machine.puzzleflow(
      'artifacts',
      'gc',
      '--store',
      folder,
      '--apply',
      '--older-than',
      '0 s',
    )
    expect([code, stderr]).toEqual([5, expect.stringContaining('EROFS')])
    expect(await machine.puzzleflow('artifacts', 'verify', '--store', folder)).toMatchObject({ code: 0 })
  })
})

test('a store that is a file is refused in words', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  expect(await failureOf(new FileStore(file).putJson('table', {}))).toMatchObject({ kind: 'NoServer' })
})

const isRoot = process.getuid?.() === 0
test.skipIf(isRoot)(
  `a folder that may not be written is refused in words${isRoot ? ' (skipped: root may)' : ''}`,
  async () => {
    const root = join(folder, 'store')
    mkdirSync(root)
    chmodSync(root, 0o500)
    expect(await failureOf(new FileStore(root).putJson('table', {}))).toMatchObject({ kind: 'NoServer' })
  },
)
