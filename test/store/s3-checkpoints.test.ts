import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digestJson } from '../../store/digest.js'
import { openStore, type Store } from '../../store/index.js'
import { S3Server, s3Program } from './s3-server.js'
import { temporaryFolder } from '../temporary-folder.js'

const program = await s3Program()
const why = 'missing' in program ? ` (skipped: ${program.missing})` : ''
const key = digestJson('task')

describe.skipIf('missing' in program)(`checkpoints of machines that share a store in S3${why}`, () => {
  let server: S3Server
  let count = 0
  let location: string
  beforeAll(async () => {
    server = await S3Server.start((program as { path: string }).path)
    Object.assign(process.env, server.environment())
  })
  afterAll(() => server.stop())
  beforeEach(() => (location = `s3://${server.bucket}/checkpoints-${count++}`))

  const machine = async (): Promise<Store> => {
    const home = temporaryFolder('machine')
    Object.assign(process.env, { XDG_CACHE_HOME: join(home, 'cache'), XDG_STATE_HOME: join(home, 'state') })
    return openStore(location)
  }
  const write = async (store: Store, name: string, text: string) =>
    writeFileSync(join(await store.checkpoint(key), name), text)
  const read = async (store: Store, name: string) => readFileSync(join(await store.checkpoint(key), name), 'utf8')
  /** Names of what the bucket holds of the checkpoint. */
  const kept = async (store: Store) => {
    const names = []
    for await (const { kind, name } of store.leftovers())
      if (kind === 'checkpoint' && !name.startsWith('/')) names.push(name.split('/').at(-1))
    return names
  }

  test('with a key, a checkpoint and a record that others have put there count as none', async () => {
    const keyFile = join(temporaryFolder('key'), 'key')
    writeFileSync(keyFile, 'ab'.repeat(32))
    const said: string[] = []
    const withKey = async () => {
      await machine()
      process.env.PUZZLEFLOW_STORE_KEY_FILE = keyFile
      const store = await openStore(location, { warn: (line) => said.push(line) })
      delete process.env.PUZZLEFLOW_STORE_KEY_FILE
      return store
    }
    const record = { version: 1, key: digestJson({}), components: {}, outputs: { values: {}, files: {} } } as const
    const evidence = { seconds: 0, finishedAt: '', host: 'theirs' }
    const stranger = await machine()
    await write(stranger, 'state', 'step 4')
    await stranger.saveCheckpoint(key)
    await stranger.putRecord({ ...record, ...evidence })
    const [one, other] = [await withKey(), await withKey()]
    await one.fetchCheckpoint(key)
    expect(existsSync(join(await one.checkpoint(key), 'state'))).toBe(false)
    expect(await one.useRecord(record.key)).toBeUndefined()
    expect(said).toEqual([
      `The checkpoint ${key} in the store is not signed: it counts as absent.`,
      `The record ${record.key} in the store is not signed: it counts as absent.`,
    ])
    await write(one, 'state', 'step 2')
    await one.saveCheckpoint(key)
    await one.putRecord({ ...record, ...evidence, host: 'ours' })
    await other.fetchCheckpoint(key)
    expect(await read(other, 'state')).toBe('step 2')
    expect((await other.getRecord(record.key))?.host).toBe('ours')
  })

  test('what another machine has saved since replaces what this one has', async () => {
    const [one, other] = [await machine(), await machine()]
    await write(one, 'state', 'step 4')
    await one.saveCheckpoint(key)
    await other.fetchCheckpoint(key)
    await write(other, 'state', 'step 8')
    await other.saveCheckpoint(key)
    await one.fetchCheckpoint(key)
    expect(await read(one, 'state')).toBe('step 8')
  })

  test('what this machine has written since it saved stays, for it is newer', async () => {
    const one = await machine()
    await write(one, 'state', 'step 4')
    await one.saveCheckpoint(key)
    await write(one, 'state', 'step 5')
    await one.fetchCheckpoint(key)
    expect(await read(one, 'state')).toBe('step 5')
  })

  test('links in the folder are left out: they may lead anywhere, and in circles', async () => {
    const [one, other] = [await machine(), await machine()]
    await write(one, 'state', 'step 4')
    const folder = await one.checkpoint(key)
    symlinkSync('.', join(folder, 'loop'))
    symlinkSync('/etc/hostname', join(folder, 'elsewhere'))
    await one.saveCheckpoint(key)
    await other.fetchCheckpoint(key)
    expect(readdirSync(await other.checkpoint(key))).toEqual(['state'])
  })

  test('several files are saved as they are at one time, those that are being written left out', async () => {
    const [one, other] = [await machine(), await machine()]
    mkdirSync(join(await one.checkpoint(key), 'parts'))
    await write(one, 'parts/a', 'first')
    await write(one, 'b', 'second')
    await write(one, 'c.tmp', 'half')
    await one.saveCheckpoint(key)
    await other.fetchCheckpoint(key)
    expect([await read(other, 'parts/a'), await read(other, 'b')]).toEqual(['first', 'second'])
    expect(existsSync(join(await other.checkpoint(key), 'c.tmp'))).toBe(false)
  })

  test('what a newer checkpoint does not need any more is removed', async () => {
    const one = await machine()
    for (const step of ['step 4', 'step 8']) {
      await write(one, 'state', step)
      await one.saveCheckpoint(key)
    }
    expect(await kept(one)).toHaveLength(2)
  })

  test('half a checkpoint is none: the task begins with what the machine has', async () => {
    const [one, other] = [await machine(), await machine()]
    await write(one, 'state', 'step 8')
    await one.saveCheckpoint(key)
    const [name] = (await kept(one)).filter((own) => own !== 'manifest.json')
    rmSync(server.file(`${location.split('/').at(-1)}/checkpoints/${key}/${name}`))
    await write(other, 'state', 'step 4')
    await other.fetchCheckpoint(key)
    expect(await read(other, 'state')).toBe('step 4')
  })

  test('an empty folder saves nothing', async () => {
    const one = await machine()
    await one.checkpoint(key)
    await one.saveCheckpoint(key)
    expect(await kept(one)).toEqual([])
  })
})
