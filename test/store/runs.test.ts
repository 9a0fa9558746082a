import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileStore, openStore } from '../../store/index.js'
import { artifactName } from '../../store/layout.js'
import { Machine } from './machine.js'
import { S3Server, s3Program } from './s3-server.js'
import { temporaryFolder } from '../temporary-folder.js'

const folder = () => join(temporaryFolder('runs'), 'store')

test('a store that is moved to another folder and machine has all it had', async () => {
  const root = folder()
  const before = await new Machine().run(root)
  renameSync(root, `${root}-moved`)
  const after = await new Machine().run(`${root}-moved`)
  expect(before.done).toEqual(['numbers', 'square-2', 'square-3'])
  expect(after).toEqual({ ...before, done: [] })
})

test('a copy of a store has all the original had, and another identity', async () => {
  const root = folder()
  const before = await new Machine().run(root)
  cpSync(root, `${root}-copy`, { recursive: true })
  const after = await new Machine().run(`${root}-copy`)
  expect(after.done).toEqual([])
  expect(after.id).not.toBe(before.id)
})

test('of a store with a corrupt artifact the task that made it is done again, and no other', async () => {
  const root = folder()
  const machine = new Machine()
  const before = await machine.run(root)
  const store = new FileStore(root)
  for await (const { digest, bytes } of store.artifacts())
    if (bytes === 100_000) {
      writeFileSync(join(root, artifactName(digest)), Buffer.alloc(100_000, 'x'))
      break
    }
  const after = await machine.run(root)
  expect(after.done).toHaveLength(1)
  expect(after.done[0]).toMatch(/^square-/)
  expect(after.values).toEqual(before.values)
})

test('a task that was killed goes on from its checkpoint, which goes when it is done', async () => {
  const root = folder()
  const machine = new Machine()
  const first = await machine.run(root, {}, 'square-3')
  expect(first.failed?.type).toBe('Crash')
  const second = await machine.run(root)
  expect(second.done).toContain('square-3')
  expect(await stepFound(root)).toBe(2)
  expect(await checkpointsIn(root)).toBe(0)
})

/** The step of the checkpoint that the task `square-3` has found. */
async function stepFound(location: string): Promise<unknown> {
  const store = await openStore(location)
  for await (const { digest } of store.records()) {
    const record = await store.getRecord(digest)
    if (record?.components.task === 'square-3') return record.outputs.values.foundStep
  }
  return undefined
}

/** Files that tasks have left to go on from. */
async function checkpointsIn(location: string): Promise<number> {
  let count = 0
  for await (const { kind } of (await openStore(location)).leftovers()) if (kind === 'checkpoint') count++
  return count
}

const program = await s3Program()
const why = 'missing' in program ? ` (skipped: ${program.missing})` : ''

describe.skipIf('missing' in program)(`several machines and one store in S3${why}`, () => {
  let server: S3Server
  beforeAll(async () => {
    server = await S3Server.start((program as { path: string }).path)
    Object.assign(process.env, server.environment())
  })
  afterAll(() => server.stop())

  test('what one has done another finds', async () => {
    const location = `s3://${server.bucket}/shared`
    const before = await new Machine().run(location)
    expect(before.done).toEqual(['numbers', 'square-2', 'square-3'])
    expect(await new Machine().run(location)).toEqual({ ...before, done: [] })
  })

  test('a checkpoint of a machine that is lost is there on the next one', async () => {
    const location = `s3://${server.bucket}/lost`
    const first = new Machine()
    expect((await first.run(location, {}, 'square-3')).failed?.type).toBe('Crash')
    rmSync(first.home, { recursive: true })
    expect((await new Machine().run(location)).done).toContain('square-3')
    Object.assign(process.env, new Machine().environment)
    expect(await stepFound(location)).toBe(2)
    expect(await checkpointsIn(location)).toBe(0)
  })

  test('an artifact that is corrupt is found by verifying, and made again', async () => {
    const location = `s3://${server.bucket}/corrupt`
    const machine = new Machine()
    await machine.run(location)
    const store = await openStore(location)
    for await (const { digest, bytes } of store.artifacts())
      if (bytes === 100_000) {
        writeFileSync(server.file(`corrupt/${artifactName(digest)}`), Buffer.alloc(100_000, 'x'))
        break
      }
    const verified = await machine.puzzleflow('artifacts', 'verify', '--store', location, '--json')
    expect(verified.code).toBe(4)
    expect(JSON.parse(verified.stdout)).toMatchObject({ sound: false, corrupt: [{ kind: 'weights' }], missing: [] })
    expect((await machine.run(location)).done).toHaveLength(1)
  })
})
