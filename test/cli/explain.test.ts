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
    .replace(/ +(< )?\d+(\.\d+)? (ms|s|min|h)( |$)/gm, ' TIME ')
    .replace(/ +\d+(\.\d+)? ([kMG]?B)/g, ' BYTES')
    .replace(/^Times are .*\n|^ +\d+ reused: .*\n/gm, '')
    .replace(/^stage +tasks.*/m, 'HEADER')
    .replace(/ +$/gm, '')
}
/** The part of an explanation before the key's parts. */
const story = async (...args: readonly string[]) => (await prints('explain', ...args)).split('The key consists of:')[0]!

const task = 'distill/layer00/ffn/swiglu-32'

test('a task that was never done before', async () => {
  expect(await prints('explain', 'first', task)).toMatchInlineSnapshot(`
    "distill/layer00/ffn/swiglu-32: layer 0, ffn: swiglu-32
    key DIGEST
    It ran: SECONDS of work, done DATE on HOST.
    No similar task has been done before.
    The key consists of:
      kind: "run"
      stage: "distill"
      version: 4
      seed: 3
      numerics: 1
      engine: "1.30.0"
      task: "layer00/ffn/swiglu-32"
      taskParams: {"batch":4,"beside":"parent","layer":0,"learningRate":0.001,"steps":17,"train":[{"block":"swiglu","entry":"layer00/ffn/swiglu-32","params":{"width":32},"slot":"ffn","variant":"swiglu-32"}],"weightDecay":0.01}
      taskInputs: {"input":DIGEST,"statistics":DIGEST,"target":DIGEST,"tokens":DIGEST,"validateInput":DIGEST,"validateTarget":DIGEST,"validateTokens":DIGEST}
      inputs: {"model":DIGEST}
      blocks: [{"name":"grouped-query","slot":"attention","version":1},{"name":"swiglu","slot":"ffn","version":1}]
    "
  `)
})

test('a task that is reused', async () => {
  await runs('search.yaml', 'second')
  expect(await story('second', task)).toMatchInlineSnapshot(`
    "distill/layer00/ffn/swiglu-32: layer 0, ffn: swiglu-32
    key DIGEST
    It was reused: SECONDS of work, done DATE on HOST, before this run began.
    No similar task has been done before.
    "
  `)
})

test('what a changed parameter makes run anew, before and after', async () => {
  const file = variant('rate.yaml', 'learningRate: 0.001', 'learningRate: 0.002')
  expect(await prints('plan', file)).toMatchInlineSnapshot(`
    "tiny, digest DIGEST, pipeline puzzle
    HEADER
    prepare             1       1 BYTES
    profile             0       0
    check-limits        1       1
    capture             1       1 BYTES BYTES
    depth               0
        never done before
    distill            ~4 TIME BYTES BYTES
        learningRate 0.001 -> 0.002
    score              ~6 TIME BYTES
    solve               1 TIME
    refine              1 TIME BYTES
    evaluate           ~2 TIME BYTES
    select              1 TIME BYTES
    uptrain             1 TIME BYTES BYTES
    check-child         1 TIME BYTES
    improve             1 TIME BYTES BYTES
    evaluate-child      1 TIME BYTES
    export              1 TIME BYTES
    report              1 TIME
    all TIME BYTES BYTES
    note: uptrain: 80000 tokens are about 56 passes over the training data.
    "
  `)
  await runs(file, 'rate')
  expect(await story('rate', task)).toMatchInlineSnapshot(`
    "distill/layer00/ffn/swiglu-32: layer 0, ffn: swiglu-32
    key DIGEST
    It ran: SECONDS of work, done DATE on HOST.
    The most similar earlier task (DIGEST, DATE) differs in:
      learningRate 0.001 -> 0.002
    "
  `)
})

test('what a changed input makes run anew', async () => {
  cpSync(join(place.folder, 'data/validate.jsonl'), join(place.folder, 'data/train.jsonl'))
  try {
    await runs('search.yaml', 'input', 'prepare')
    expect(await story('input', 'prepare')).toMatchInlineSnapshot(`
      "prepare: prepare
      key DIGEST
      It ran: SECONDS of work, done DATE on HOST.
      The most similar earlier task (DIGEST, DATE) differs in:
        data.train.path: train.jsonl changed
      "
    `)
    expect(await prints('plan', 'search.yaml')).toMatchInlineSnapshot(`
      "tiny, digest DIGEST, pipeline puzzle
      HEADER
      prepare             1       1 BYTES
      profile             0
          outputs of stage prepare DIGEST -> DIGEST
      check-limits        1 TIME
      capture             1 TIME BYTES BYTES
      depth               0
      distill            ~4 TIME BYTES BYTES
      score              ~6 TIME BYTES
      solve               1 TIME
      refine              1 TIME BYTES
      evaluate           ~2 TIME BYTES
      select              1 TIME BYTES
      uptrain             1 TIME BYTES BYTES
      check-child         1 TIME BYTES
      improve             1 TIME BYTES BYTES
      evaluate-child      1 TIME BYTES
      export              1 TIME BYTES
      report              1 TIME
      all TIME BYTES BYTES
      note: distill: 1000 tokens are about 2.8 passes over the training data.
      note: uptrain: 80000 tokens are about 222 passes over the training data.
      "
    `)
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
Remedy: It has layer00/attention/parent+no-op, layer00/ffn/swiglu-32, layer01/attention/parent+no-op, layer01/ffn/swiglu-32.
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
