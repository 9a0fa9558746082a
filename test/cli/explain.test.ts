/** Why tasks run or are reused, as `plan` and `explain` say it. */
import { cpSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'
import { tinySpec, writeTinySearch } from './tiny-search.js'

// Parts of real searches run here, beside other tests.
vi.setConfig({ testTimeout: 300_000 })

/** Training for a moment, with costs that are given: nothing is measured. */
const spec = tinySpec
  .replace('  limits:', '  profile: ./costs.json\n  limits:')
  .replace('attention: [parent, { block: grouped-query, kvHeads: [1] }, no-op]', 'attention: [parent]')
  .replace('tokens: 60k', 'tokens: 1k, learningRate: 0.001')

let place: Place
beforeAll(async () => {
  await testServer()
  place = new Place(await writeTinySearch(spec), inject('stateHome'))
  await runs('search.yaml', 'first')
}, serverTimeout)
afterAll(() => place.close())

async function runs(file: string, name: string, until = 'distill'): Promise<void> {
  const { code, stderr } = await place.run('run', file, '--run', name, '--until', until)
  expect(code, stderr).toBe(0)
}
/** The first spec with one text for another, as a file. */
function variant(file: string, from: string, to: string): string {
  expect(spec).toContain(from)
  writeFileSync(join(place.folder, file), spec.replace(from, to))
  return file
}
/** What a command prints; what differs each time is named. */
async function prints(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await place.run(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .replaceAll(hostname(), 'HOST')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'DATE')
    .replace(/\b[0-9a-f]{12}\b/g, 'DIGEST')
    .replace(/\d+\.\d s of work/g, 'SECONDS of work')
    .replace(/ \(\d+ s saved\)|, about \d+ s of work left/g, '')
}
/** The part of an explanation before the key's parts. */
const story = async (...args: readonly string[]) => (await prints('explain', ...args)).split('The key is made of:')[0]!

const task = 'distill/layer00/ffn/swiglu-32'

test('a task that was never done before', async () => {
  expect(await prints('explain', 'first', task)).toMatchInlineSnapshot()
})

test('a task that is reused', async () => {
  await runs('search.yaml', 'second')
  expect(await story('second', task)).toMatchInlineSnapshot()
})

test('what a changed parameter makes run anew, before and after', async () => {
  const file = variant('rate.yaml', 'learningRate: 0.001', 'learningRate: 0.002')
  expect(await prints('plan', file)).toMatchInlineSnapshot()
  await runs(file, 'rate')
  expect(await story('rate', task)).toMatchInlineSnapshot()
})

test('what a changed input makes run anew', async () => {
  cpSync(join(place.folder, 'data/validate.jsonl'), join(place.folder, 'data/train.jsonl'))
  try {
    await runs('search.yaml', 'input', 'prepare')
    expect(await story('input', 'prepare')).toMatchInlineSnapshot()
    expect(await prints('plan', 'search.yaml')).toMatchInlineSnapshot()
  } finally {
    // As it was: for the tests that follow.
    await restore()
  }
})
let restore: () => Promise<void>
beforeAll(() => {
  const train = join(place.folder, 'data/train.jsonl')
  cpSync(train, `${train}.first`)
  restore = () => Promise.resolve(cpSync(`${train}.first`, train))
})

test('a task of another name than any is refused, with names like it', async () => {
  const { code, stderr } = await place.run('explain', 'first', 'distill/layer09')
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `Stage distill has no task "layer09"
Remedy: It has layer00/ffn/swiglu-32, layer01/ffn/swiglu-32, …
`,
  })
})

test('another name of the spec, another run and another place for folder and store change no key', async () => {
  const keys = async (run: string) => {
    const tasks = ['prepare', 'capture', task, 'distill/layer01/ffn/swiglu-32']
    const found = tasks.map(
      async (name) => JSON.parse((await place.run('explain', run, name, '--json')).stdout) as { key: string },
    )
    return (await Promise.all(found)).map(({ key }) => key)
  }
  const before = await keys('first')
  const from = place
  await from.endWorker()
  const folder = `${from.folder}-moved`
  renameSync(from.folder, folder)
  place = new Place(folder, inject('stateHome'), 'elsewhere')
  renameSync(join(folder, 'store'), place.store)
  await runs(variant('renamed.yaml', 'name: tiny', 'name: renamed'), 'moved')
  expect(await keys('moved')).toEqual(before)
  expect(await story('moved', task)).toContain('It was reused')
})
