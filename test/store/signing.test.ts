import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { digestJson } from '../../store/digest.js'
import { FileStore, openStore, type Store, type TaskRecord } from '../../store/index.js'
import { artifactName, documentName, recordName } from '../../store/layout.js'
import { Signer, storeKeyVariable } from '../../store/signer.js'
import { recordOf } from './contract.js'
import { hostHere } from './host-here.js'
import { Machine } from './machine.js'
import { doRun } from './plan-run.js'
import { temporaryFolder } from '../temporary-folder.js'

const [key, otherKey] = [randomBytes(32), randomBytes(32)]
let root: string
let said: string[]
beforeEach(() => {
  root = join(temporaryFolder('signing'), 'store')
  said = []
  process.env.XDG_STATE_HOME = temporaryFolder('state')
})

const ours = (own = key): Store => new FileStore(root, new Signer(own, (line) => said.push(line)))
/** As somebody sees the store who can write to it and has no key. */
const stranger = (): Store => new FileStore(root)
const file = (name: string) => join(root, name)

const record = recordOf()
const forged: TaskRecord = { ...record, outputs: { values: { n: 666 }, files: {} } }

test('a record that somebody else has planted counts as none, is named, and gives way', async () => {
  await stranger().putRecord(forged)
  const store = ours()
  expect([await store.getRecord(record.key), await store.useRecord(record.key)]).toEqual([undefined, undefined])
  expect(said).toEqual([`The record ${record.key} in the store is not signed: it counts as absent.`])
  expect((await store.putRecord(record)).outputs).toEqual(record.outputs)
  expect((await ours().getRecord(record.key))?.outputs).toEqual(record.outputs)
})

test('a signed record is read with its key and without any, but not with another', async () => {
  const signed = await ours().putRecord(record)
  expect(await ours().getRecord(record.key)).toEqual(signed)
  expect(await stranger().getRecord(record.key)).toEqual(signed)
  expect(await ours(otherKey).getRecord(record.key)).toBeUndefined()
  expect(said).toEqual([
    `The record ${record.key} in the store is signed with another key, or has changed: it counts as absent.`,
  ])
})

test('a signature says what the task made, and where the record lies', async () => {
  const signed = await ours().putRecord(record)
  rmSync(file(recordName(record.key)))
  await stranger().putRecord({ ...forged, signature: signed.signature! })
  expect(await ours().getRecord(record.key)).toBeUndefined()
  const other = digestJson({ kind: 'run', stage: 'another' })
  mkdirSync(dirname(file(recordName(other))), { recursive: true })
  writeFileSync(file(recordName(other)), JSON.stringify({ ...signed, digest: digestJson(signed) }))
  expect(await ours().getRecord(other)).toBeUndefined()
})

test('of many that are not signed a few are named', async () => {
  const all = Array.from({ length: 20 }, (_, i) => ({ ...record, components: { i }, key: digestJson({ i }) }))
  for (const own of all) await stranger().putRecord(own)
  const store = ours()
  for (const own of [...all, ...all]) await store.getRecord(own.key)
  expect(said).toHaveLength(4)
  expect(said[3]).toBe('There are more of these: `npx puzzleflow artifacts verify` names them all.')
  expect(store.signing!.refused.size).toBe(20)
})

test('an artifact that is not what its digest says is made again, whoever signed the record', async () => {
  const store = ours()
  const ref = await store.putJson('table', { a: 1 })
  expect(await store.readJson(ref)).toEqual({ a: 1 })
  const { atime, mtime } = statSync(file(artifactName(ref.digest)))
  writeFileSync(file(artifactName(ref.digest)), '{"a":2}')
  utimesSync(file(artifactName(ref.digest)), atime, mtime)
  await expect(store.path(ref)).rejects.toThrow('corrupt')
  writeFileSync(file(artifactName(ref.digest)), '{"a":2}')
  await expect(ours().readJson(ref)).rejects.toThrow('corrupt')
  expect(await ours().has(ref)).toBe(false)
})

test('a document of somebody else counts as none, and one that was moved too', async () => {
  await stranger().putDocument('runs/one', { plan: 'theirs' })
  expect(await ours().getDocument('runs/one')).toBeUndefined()
  await ours().putDocument('runs/one', { plan: 'ours', gone: undefined })
  expect([await ours().getDocument('runs/one'), await stranger().getDocument('runs/one')]).toEqual([
    { plan: 'ours' },
    { plan: 'ours' },
  ])
  renameSync(file(documentName('runs/one')), file(documentName('runs/two')))
  expect(await ours().getDocument('runs/two')).toBeUndefined()
})

test('a task does not continue from a checkpoint that others could write', async () => {
  writeFileSync(join(await stranger().checkpoint(record.key), 'state'), '4')
  const store = ours()
  await store.fetchCheckpoint(record.key)
  const folder = await store.checkpoint(record.key)
  expect(folder.startsWith(root)).toBe(false)
  expect(() => readFileSync(join(folder, 'state'))).toThrow('ENOENT')
  writeFileSync(join(folder, 'state'), '2')
  const found = []
  for await (const own of stranger().leftovers()) if (own.kind === 'checkpoint') found.push(own)
  expect(found.map((own) => own.key)).toEqual([record.key, record.key])
  await store.removeLeftover(found.find(({ name }) => name === folder)!)
  expect(() => readFileSync(join(folder, 'state'))).toThrow('ENOENT')
})

test('a search takes the results of its own workers, and none that was planted', async () => {
  // What the stranger's program makes of the same tasks under the same keys is something else.
  const lying = hostHere(stranger())
  const host: typeof lying = {
    run: async (job, options) => {
      const made = (await lying.run(job, options)) as { values: { square?: number } }
      return job.kind === 'run' && made.values.square ? { ...made, values: { ...made.values, square: 666 } } : made
    },
  }
  const planted = await doRun(stranger(), host)
  expect(planted.values.square).toEqual({ sum: 1332 })
  expect((await doRun(stranger(), hostHere(stranger()))).values.square).toEqual({ sum: 1332 })
  const store = ours()
  const honest = await doRun(store, hostHere(store))
  expect([honest.failed, honest.values.square]).toEqual([undefined, { sum: 13 }])
  expect(honest.done).toEqual(['numbers', 'square-2', 'square-3'])
  expect((await doRun(ours(), hostHere(ours()))).done).toEqual([])
})

test('a worker refuses a plan that nobody with its key has started', async () => {
  const store = ours()
  const { failed } = await doRun(store, hostHere(store), { unsigned: true })
  expect(failed).toMatchObject({
    type: 'InvalidInput',
    message: expect.stringMatching(/^The plan \w{12} is refused: it is not signed$/) as string,
  })
})

test('child processes, which have no key, gather only what the worker has checked', async () => {
  const keyFile = join(temporaryFolder('key'), 'key')
  writeFileSync(keyFile, key.toString('hex'))
  const machine = new Machine({ [storeKeyVariable]: keyFile })
  const { values, failed } = await machine.run(root)
  expect([failed, values.square]).toEqual([undefined, { sum: 13 }])
  expect((await doRun(ours(), hostHere(ours()))).done).toEqual([])
})

test('verify tells what is not signed, sign makes it the user’s, and gc asks for no signature', async () => {
  await doRun(stranger(), hostHere(stranger()))
  const keyFile = join(temporaryFolder('key'), 'key')
  writeFileSync(keyFile, key.toString('hex'))
  const machine = new Machine({ [storeKeyVariable]: keyFile })
  const artifacts = async (...args: string[]) => {
    const { code, stdout } = await machine.puzzleflow('artifacts', ...args, '--store', root, '--json')
    return { code, ...(JSON.parse(stdout) as { notSigned?: string[]; runs?: { kept: string[] } }) }
  }
  const before = await artifacts('verify')
  expect(before.code).toBe(4)
  expect(before.notSigned).toContain('document runs/squares')
  expect(before.notSigned!.filter((name) => name.startsWith('record '))).toHaveLength(7)
  expect((await artifacts('gc')).runs).toMatchObject({ kept: ['squares'] })
  expect(await artifacts('sign')).toMatchObject({ code: 0, records: 7, documents: 1 })
  expect(await artifacts('verify')).toMatchObject({ code: 0, notSigned: [], badRecords: [] })
  expect((await doRun(ours(), hostHere(ours()))).done).toEqual([])
})

test.each([
  ['that is not there', undefined, /cannot be read: ENOENT/],
  ['without a key', 'secret', /does not hold a key/],
])('a key file %s is a mistake of the user', async (_, text, message) => {
  const keyFile = join(temporaryFolder('key'), 'key')
  if (text !== undefined) writeFileSync(keyFile, text)
  process.env[storeKeyVariable] = keyFile
  try {
    await expect(openStore(root)).rejects.toThrow(message)
  } finally {
    delete process.env[storeKeyVariable]
  }
})
