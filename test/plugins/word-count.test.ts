import { execFile, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureServer, stopServer } from '../../server/index.js'
import { packageRoot } from '../../store/paths.js'

// The server's program is where it was built; all else is the test's own (folders.js moves the cache).
const programs = process.env.XDG_CACHE_HOME
const { folderWith } = await import('./folders.js')
const cache = process.env.XDG_CACHE_HOME

const folder = folderWith()
const state = join(folder, 'state')
const example = join(folder, 'word-count')
let address: string

beforeAll(async () => {
  cpSync(join(packageRoot(), 'examples/word-count'), example, { recursive: true })
  process.env.XDG_STATE_HOME = state
  if (programs === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = programs
  ;({ address } = await ensureServer({ log: () => undefined }))
}, 900_000)

afterAll(async () => {
  await stopServer()
})

const environment = { ...process.env, XDG_CACHE_HOME: cache, XDG_STATE_HOME: state, XDG_CONFIG_HOME: join(folder, 'x') }
const main = join(packageRoot(), 'dist/cli/main.js')

/** Runs the command as a user does. @returns what it prints as JSON */
async function puzzleflow(...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, '--address', address, '--json'], {
    cwd: folder,
    env: environment,
  })
  return JSON.parse(stdout)
}

const spec = ['word-count/count.yaml', '--allow-plugin', './word-count/plugin']

/** What a run would do now: tasks and how many of them are reused, by stage. */
async function forecast(): Promise<Record<string, string>> {
  const { stages } = (await puzzleflow('plan', ...spec)) as {
    stages: { stage: string; tasks: number; reused: number }[]
  }
  return Object.fromEntries(stages.map(({ stage, tasks, reused }) => [stage, `${reused} of ${tasks}`]))
}

test('a pipeline of a plugin’s stages runs, its result is shown, and another run reuses all of it', async () => {
  const counts = { paragraphs: 10, chunks: 4, words: 357, distinct: 154 }
  const ran = await puzzleflow('run', ...spec)
  expect(ran).toMatchObject({ run: 'word-count', ...counts })
  expect((ran as { top: unknown[] }).top.slice(0, 2)).toEqual([
    { word: 'the', times: 55 },
    { word: 'and', times: 23 },
  ])
  expect(await puzzleflow('result', 'word-count')).toEqual(ran)
  expect(readFileSync(join(folder, 'runs/word-count/report.md'), 'utf8')).toContain('| the | 55 |')

  expect(await forecast()).toEqual({ split: '1 of 1', count: '4 of 4', report: '1 of 1' })
  expect(await puzzleflow('run', ...spec, '--run', 'again')).toEqual({ ...(ran as object), run: 'again' })

  // Another paragraph: only its chunk is counted anew.
  const text = join(example, 'text.txt')
  writeFileSync(text, readFileSync(text, 'utf8').replace('bells', 'bells and bells'))
  expect(await puzzleflow('run', ...spec)).toMatchObject({ ...counts, words: 359 })
  const records = spawnSync('grep', ['-rlE', '"task": "chunk-', join(state, 'puzzleflow/store/records')])
  expect(records.stdout.toString().trim().split('\n')).toHaveLength(5)
}, 180_000)
