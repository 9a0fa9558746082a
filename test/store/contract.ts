import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeEach, expect, test } from 'vitest'
import { digestBytes, digestJson } from '../../store/digest.js'
import { MissingArtifact, type Leftover, type Store, type TaskRecord } from '../../store/index.js'
import { artifactName, recordName } from '../../store/layout.js'
import { recordText } from '../../store/record.js'
import { temporaryFolder } from '../temporary-folder.js'

/** A new, empty store, and what a test does behind its back. */
export interface StoreUnderTest {
  readonly location: string
  /** Opens it as another machine does: nothing is remembered, nothing cached. */
  open(): Promise<Store>
  /** The file in which it keeps what has a name in the store. */
  file(name: string): string
  /** Makes what has this name as old as a day. */
  age(name: string): void
}

const run = promisify(execFile)
const ref = { digest: digestBytes('a'), bytes: 1, kind: 'text' }
const writer = fileURLToPath(new URL('../../dist/test/store/writer.js', import.meta.url))

const components = { kind: 'run', stage: 'work' }
/** A record. @param host  where it was made */
export const recordOf = (host = 'here'): TaskRecord => ({
  version: 1,
  key: digestJson(components),
  components,
  outputs: { values: { n: 1 }, files: {} },
  seconds: 1,
  finishedAt: '2026-01-01T00:00:00.000Z',
  host,
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found = []
  for await (const item of items) found.push(item)
  return found
}

/** What every store does. Registers the tests. */
export function storeContract(make: () => StoreUnderTest): void {
  let own: StoreUnderTest
  let store: Store
  beforeEach(async () => {
    own = make()
    store = await own.open()
  })

  test('what is put can be read, here and elsewhere, and the same content is kept once', async () => {
    const one = await store.putJson('table', { b: 1, a: [2] })
    const two = await store.putJson('table', { a: [2], b: 1 })
    expect(two).toEqual(one)
    expect(await store.readJson(one)).toEqual({ a: [2], b: 1 })
    expect(await (await own.open()).readJson(one)).toEqual({ a: [2], b: 1 })
    expect(await all(store.artifacts())).toMatchObject([{ digest: one.digest, bytes: one.bytes }])
  })

  test('a file is moved into the store, also one that is there already', async () => {
    for (let i = 0; i < 2; i++) {
      const path = join(await store.scratch(), 'result')
      writeFileSync(path, 'content')
      const ref = await store.putFile('text', path)
      expect(ref).toEqual({ digest: digestBytes('content'), bytes: 7, kind: 'text' })
      expect(existsSync(path)).toBe(false)
      expect(readFileSync(await store.path(ref), 'utf8')).toBe('content')
    }
  })

  test('a file from another folder of the machine is moved too', async () => {
    const path = join(temporaryFolder('elsewhere'), 'result')
    writeFileSync(path, 'from elsewhere')
    const ref = await store.putFile('text', path)
    expect([existsSync(path), await store.has(ref)]).toEqual([false, true])
  })

  test('an empty file and one of several parts come back byte by byte', async () => {
    const large = Buffer.alloc(35 * 2 ** 20 + 5)
    for (let i = 0; i < large.length; i += 4096) large.writeUInt32LE(i, Math.min(i, large.length - 4))
    for (const data of [Buffer.alloc(0), large]) {
      const ref = await store.putBytes('bytes', data)
      expect(digestBytes(readFileSync(await (await own.open()).path(ref)))).toBe(digestBytes(data))
    }
  })

  test('an artifact that is not there is missing', async () => {
    const ref = { digest: digestBytes('never put'), bytes: 9, kind: 'text' }
    await expect(store.path(ref)).rejects.toThrow(MissingArtifact)
    expect(await store.has(ref)).toBe(false)
    expect(await store.verify(ref.digest)).toBe('absent')
  })

  for (const [damage, content] of [
    ['whose bits have changed', 'whola'],
    ['that was cut off', 'who'],
  ] as const)
    test(`an artifact ${damage} is found when it is read, set aside, and can be made again`, async () => {
      const ref = await store.putBytes('text', Buffer.from('whole'))
      writeFileSync(own.file(artifactName(ref.digest)), content)
      const other = await own.open()
      await expect(other.path(ref)).rejects.toThrow('corrupt')
      expect(await other.has(ref)).toBe(false)
      expect((await all(other.leftovers())).filter(({ kind }) => kind === 'set-aside')).toHaveLength(1)
      await other.putBytes('text', Buffer.from('whole'))
      expect(readFileSync(await (await own.open()).path(ref), 'utf8')).toBe('whole')
    })

  test('verifying tells sound artifacts from corrupt ones', async () => {
    const sound = await store.putBytes('text', Buffer.from('sound'))
    const corrupt = await store.putBytes('text', Buffer.from('whole'))
    writeFileSync(own.file(artifactName(corrupt.digest)), 'whola')
    expect([await store.verify(sound.digest), await store.verify(corrupt.digest)]).toEqual(['sound', 'corrupt'])
    expect(await all(store.artifacts())).toHaveLength(1)
  })

  test('a record is found by its key', async () => {
    const record = recordOf()
    expect(await store.getRecord(record.key)).toBeUndefined()
    expect(await store.putRecord(record)).toEqual(record)
    expect(await (await own.open()).getRecord(record.key)).toEqual(record)
    expect(await store.useRecord(record.key)).toEqual(record)
    expect(await all(store.records())).toMatchObject([{ digest: record.key }])
  })

  test('of two records of one key the first is kept, unless it was found to be of no use', async () => {
    const [one, two, three] = ['one', 'two', 'three'].map((host) => recordOf(host)) as [
      TaskRecord,
      TaskRecord,
      TaskRecord,
    ]
    await store.putRecord(one)
    expect(await store.putRecord(two)).toEqual(one)
    expect(await store.putRecord(two, one)).toEqual(two)
    // Another process has replaced it already.
    expect(await store.putRecord(three, one)).toEqual(two)
  })

  test('a record that is not as it was written counts as none, and gives way', async () => {
    const record = recordOf()
    const file = own.file(recordName(record.key))
    await store.putRecord(record)
    for (const text of ['{"version": 1, "ke', readFileSync(file, 'utf8').replace('"n": 1', '"n": 2')]) {
      writeFileSync(file, text)
      expect(await store.getRecord(record.key)).toBeUndefined()
      expect(await store.putRecord(record)).toEqual(record)
      expect(await store.getRecord(record.key)).toEqual(record)
    }
  })

  test.each([
    ['whose key is not the digest of its components', { components: { kind: 'run', stage: 'another' } }],
    ['without components', { components: undefined }],
    ['without outputs', { outputs: { values: {} } }],
    ['with a reference that is not one', { outputs: { values: {}, files: { weights: { digest: '../../other' } } } }],
    ['with an output whose name leads elsewhere', { outputs: { values: {}, files: { 'a/../../b': ref } } }],
    ['with a name of control characters', { outputs: { values: {}, files: { '\u001b[2J': ref } } }],
    ['that says when it ended with a number', { finishedAt: 3 }],
  ])('a forged record %s counts as none', async (_, forged) => {
    const record = recordOf()
    await store.putRecord(record)
    expect(await store.getRecord(record.key)).toEqual(record)
    writeFileSync(own.file(recordName(record.key)), recordText({ ...record, ...forged } as TaskRecord))
    expect([await store.getRecord(record.key), await store.useRecord(record.key)]).toEqual([undefined, undefined])
    expect(await store.putRecord(record)).toEqual(record)
  })

  test('documents can be written, changed, listed and removed, and lie in the store', async () => {
    await store.putDocument('runs/one', { a: 1 })
    await store.putDocument('runs/one', { a: 2 })
    await store.putDocument('runs/two.2', { a: 3 })
    expect(await (await own.open()).getDocument('runs/one')).toEqual({ a: 2 })
    expect([...(await store.listDocuments('runs'))].sort()).toEqual(['runs/one', 'runs/two.2'])
    await store.removeDocument('runs/one')
    expect(await store.getDocument('runs/one')).toBeUndefined()
    await expect(async () => store.putDocument('../outside', {})).rejects.toThrow('document name')
  })

  test('a checkpoint outlives the attempt, and goes when the task is done', async () => {
    const key = digestJson('task')
    writeFileSync(join(await store.checkpoint(key), 'trainer'), 'step 4')
    await store.saveCheckpoint(key)
    const other = await own.open()
    await other.fetchCheckpoint(key)
    expect(readFileSync(join(await other.checkpoint(key), 'trainer'), 'utf8')).toBe('step 4')
    await other.removeCheckpoint(key)
    const third = await own.open()
    await third.fetchCheckpoint(key)
    expect(existsSync(join(await third.checkpoint(key), 'trainer'))).toBe(false)
  })

  test('what was used lately is not removed, and what is old is', async () => {
    const day = Date.now() - 60 * 60_000
    const ref = await store.putBytes('text', Buffer.from('data'))
    const record = await store.putRecord(recordOf())
    expect([await store.removeArtifact(ref.digest, day), await store.removeRecord(record.key, day)]).toEqual([
      false,
      false,
    ])
    own.age(artifactName(ref.digest))
    own.age(recordName(record.key))
    expect([await store.removeArtifact(ref.digest, day), await store.removeRecord(record.key, day)]).toEqual([
      true,
      true,
    ])
    expect([await store.has(ref), await store.getRecord(record.key)]).toEqual([false, undefined])
    expect(await store.removeArtifact(ref.digest, day)).toBe(false)
  })

  test('putting an old artifact again and using an old record keep them', async () => {
    const day = Date.now() - 60 * 60_000
    const ref = await store.putBytes('text', Buffer.from('data'))
    const record = await store.putRecord(recordOf())
    own.age(artifactName(ref.digest))
    own.age(recordName(record.key))
    const other = await own.open()
    await other.putBytes('text', Buffer.from('data'))
    await other.useRecord(record.key)
    expect([await store.removeArtifact(ref.digest, day), await store.removeRecord(record.key, day)]).toEqual([
      false,
      false,
    ])
    expect([await other.has(ref), await other.getRecord(record.key)]).toEqual([true, record])
  })

  test('checkpoints and what was set aside are told as leftovers, and can be removed', async () => {
    const key = digestJson('task')
    writeFileSync(join(await store.checkpoint(key), 'trainer'), 'step 4')
    await store.saveCheckpoint(key)
    const ref = await store.putBytes('text', Buffer.from('whole'))
    writeFileSync(own.file(artifactName(ref.digest)), 'whola')
    await store.verify(ref.digest)
    const found: Leftover[] = await all(store.leftovers())
    expect(found.some(({ kind }) => kind === 'set-aside')).toBe(true)
    expect(found.filter(({ kind }) => kind === 'checkpoint').map((leftover) => leftover.key)).toContain(key)
    for (const leftover of found) await store.removeLeftover(leftover)
    expect(await all(store.leftovers())).toEqual([])
  })

  test('several processes that open a new store and write the same at once agree on all', async () => {
    const names = ['one', 'two', 'three', 'four']
    const outputs = await Promise.all(
      names.map((name) => run(process.execPath, [writer, own.location, name, '12', '70000'])),
    )
    const [first, ...others] = outputs.map(({ stdout }) => stdout)
    for (const other of others) expect(other).toBe(first)
    const stored = await all(store.artifacts())
    expect(stored).toHaveLength(12)
    for (const { digest } of stored) expect(await store.verify(digest)).toBe('sound')
  })

  test('a process that is killed while it writes leaves no half file', async () => {
    for (const written of [1, 3, 6]) {
      const child = spawn(process.execPath, [writer, own.location, `killed ${written}`, '0', '3000000'])
      let lines = 0
      createInterface(child.stdout).on('line', () => {
        if (++lines === written) child.kill('SIGKILL')
      })
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      expect(child.signalCode).toBe('SIGKILL')
    }
    const stored = await all(store.artifacts())
    expect(stored.length).toBeGreaterThanOrEqual(10)
    for (const { digest } of stored) expect(await store.verify(digest)).toBe('sound')
    for (const { digest } of await all(store.records())) expect(await store.getRecord(digest)).toBeDefined()
  })
}
