import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { FileStore, type Digest } from '../../store/index.js'
import { artifactName } from '../../store/layout.js'
import { hostHere } from './host-here.js'
import { Machine } from './machine.js'
import { doRun, type RunOptions } from './plan-run.js'
import { temporaryFolder } from '../temporary-folder.js'

interface Row {
  readonly kind: string
  readonly bytes: number
  readonly digest: Digest
  readonly tasks: readonly string[]
}

const machine = new Machine()
const store = join(temporaryFolder('artifacts'), 'store')
const artifacts = (...args: string[]) => machine.puzzleflow('artifacts', ...args, '--store', store)
const rows = async (...args: string[]) => JSON.parse((await artifacts('ls', ...args, '--json')).stdout) as Row[]

const run = (options: RunOptions) => {
  const own = new FileStore(store)
  return doRun(own, hostHere(own), options)
}

beforeAll(async () => {
  await run({ run: 'one', numbers: [2, 3] })
  await run({ run: 'two', numbers: [2, 4] })
})

test('ls tells of each artifact what it is and which task made it', async () => {
  const weights = (await rows()).filter(({ kind }) => kind === 'weights')
  expect(weights.map(({ bytes, tasks }) => [bytes, ...tasks])).toEqual([
    [100_000, 'square/square-2'],
    [100_000, 'square/square-3'],
    [100_000, 'square/square-4'],
  ])
})

test('ls RUN tells of those that the run needs', async () => {
  const tasks = (await rows('one')).flatMap((row) => row.tasks)
  expect(tasks).toContain('run one')
  expect(tasks).toContain('square/square-3')
  expect(tasks).not.toContain('square/square-4')
})

test('get copies an artifact by the beginning of its digest, or as a file of a stage', async () => {
  const sum = (await rows('one')).find(({ kind }) => kind === 'sum')!
  const [one, two] = [join(machine.home, 'new/folder/one.json'), join(machine.home, 'two.json')]
  await artifacts('get', sum.digest.slice(0, 10), '-o', one)
  await artifacts('get', 'one', 'square', 'sum', '-o', two)
  expect([readFileSync(one, 'utf8'), readFileSync(two, 'utf8')]).toEqual(['{"sum":13}', '{"sum":13}'])
})

test('get of what there is not says what there is', async () => {
  const wrong = async (...what: string[]) => {
    const { code, stderr } = await artifacts('get', ...what, '-o', join(machine.home, 'none'))
    return [code, stderr.split('\n').slice(0, 2).join(' ')]
  }
  expect(await wrong('ffffffffff')).toEqual([
    2,
    `No artifact begins with "ffffffffff" Remedy: See \`npx puzzleflow artifacts ls --store ${store}\`.`,
  ])
  expect(await wrong('ones', 'square', 'sum')).toEqual([
    2,
    `There is no run "ones" in the store ${store} Remedy: Did you mean "one"? \`npx puzzleflow list --store ${store}\` lists all runs.`,
  ])
  expect(await wrong('one', 'cube', 'sum')).toEqual([
    2,
    'The run "one" has no outputs of the stage "cube" Remedy: Stages with outputs: numbers, square.',
  ])
  expect(await wrong('one', 'square', 'difference')).toEqual([
    2,
    'The stage "square" of the run "one" has no file "difference" Remedy: Files: sum.',
  ])
})

test('gc tells what would go, and forgets runs that are not to be kept only when it is told to', async () => {
  const gc = async (...args: string[]) =>
    JSON.parse((await artifacts('gc', '--older-than', '0 s', '--json', ...args)).stdout) as {
      applied: boolean
      runs: { kept: string[]; forgotten: string[] }
      removed: { kind: string; count: number }[]
    }
  const told = await gc('--keep', 'one')
  expect(told).toMatchObject({ applied: false, runs: { kept: ['one'], forgotten: ['two'] } })
  expect(told.removed.find(({ kind }) => kind === 'weights')?.count).toBe(1)
  const done = await gc('--keep', 'one', '--apply')
  expect({ ...done, applied: false }).toEqual(told)
  const { code, stdout } = await artifacts('gc', '--older-than', '0 s')
  expect([code, stdout.trim().split('\n').slice(-2)]).toEqual([
    0,
    ['runs kept: one', '0 B would be removed. Repeat with --apply to remove it.'],
  ])
  expect((await run({ run: 'one', numbers: [2, 3] })).done).toEqual([])
})

test('gc refuses a run that there is not, and a time that is none', async () => {
  expect((await artifacts('gc', '--keep', 'three')).stderr).toContain('There is no run "three"')
  expect(await artifacts('gc', '--older-than', 'long ago')).toMatchObject({ code: 2 })
})

test('verify sets corrupt artifacts aside, tells who made them, and ends with 4; missing ones are no error', async () => {
  expect(await artifacts('verify')).toMatchObject({ code: 0 })
  const weights = (await rows('one')).find(({ kind }) => kind === 'weights')!
  writeFileSync(join(store, artifactName(weights.digest)), 'something else')
  const found = await artifacts('verify')
  expect([found.code, found.stdout.split('\n')[0]]).toEqual([
    4,
    `corrupt  ${weights.digest}  weights  ${weights.tasks.join()}`,
  ])
  const again = await artifacts('verify')
  expect([again.code, again.stdout.split('\n')[0]]).toEqual([
    0,
    `missing  ${weights.digest}  weights  ${weights.tasks.join()}`,
  ])
})
