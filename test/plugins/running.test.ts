import { execFile } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { serverTimeout, testServer } from '../temporal.js'
import { folderWith, manifest, addFiles, echoSpec, withPrograms } from './folders.js'

// Where compiled plugins of these tests go.
const cache = process.env.XDG_CACHE_HOME

const folder = folderWith()
const state = join(folder, 'state')
const example = join(folder, 'word-count')
let address: string

beforeAll(async () => {
  cpSync(join(packageRoot(), 'examples/word-count'), example, { recursive: true })
  const server = await withPrograms(testServer)
  address = server.address
  await server.client.connection.close()
}, serverTimeout)

afterAll(() => {
  // Without it the worker waits for more to do.
  const store = join(state, 'puzzleflow/store')
  for (const name of readdirSync(store).filter((name) => /^worker-.*\.json$/.test(name)))
    process.kill((JSON.parse(readFileSync(join(store, name), 'utf8')) as { pid: number }).pid)
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
  expect(tasks()).toHaveLength(4 + 1)

  // Other code of the plugin: nothing of it is taken for the same.
  const code = join(example, 'plugin/words.ts')
  writeFileSync(code, readFileSync(code, 'utf8').replace('toLowerCase', 'toUpperCase'))
  expect(await forecast()).toMatchObject({ split: '0 of unknown' })
}, 180_000)

/** Keys of chunks that were ever counted. */
const tasks = () => records().filter((record) => typeof record.task === 'string' && record.task.startsWith('chunk-'))

function records(): readonly Record<string, unknown>[] {
  const folder = join(state, 'puzzleflow/store/records')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map(
      (name) =>
        (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { components: Record<string, unknown> }).components,
    )
}

test('a plugin’s stage that waits for a person asks its question, and goes on with the answer', async () => {
  addFiles(folder, {
    'asking/spec.yaml': echoSpec('./mine').replace('name: test', 'name: asking'),
    'asking/mine/package.json': manifest('asking'),
    'asking/mine/index.js': `export default { stages: [{ name: 'echo', version: 1, gate: true, reads: [], parameters: {},
      ask: () => 'Is ' + process.argv[1].split('/').at(-1) + ' asking?' }] }`,
  })
  await puzzleflow('run', 'asking/spec.yaml', '--allow-plugin', 'asking/mine', '--detach')
  const question = async () => {
    const status = (await puzzleflow('status', 'asking')) as { progress?: { stages: { question?: string }[] } }
    return status.progress?.stages[0]?.question
  }
  await expect.poll(question).toBe('Is child.js asking?')
  await puzzleflow('approve', 'asking', 'echo')
  expect(await puzzleflow('run', 'asking/spec.yaml', '--allow-plugin', 'asking/mine')).toMatchObject({
    stages: { echo: { approved: true } },
  })
}, 180_000)

test('the block type that docs/writing-a-block.md writes goes through a search', async () => {
  const page = readFileSync(join(packageRoot(), 'docs/writing-a-block.md'), 'utf8')
  const code = (language: string) => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)![1]!
  const search = await writeTinySearch()
  addFiles(search, {
    'search.yaml': `plugins: [./ungated]\n${tinySpec}`
      .replace('name: tiny', 'name: ungated')
      .replace('{ block: swiglu, width: [50%] }', '{ block: ungated, width: [16] }'),
    'ungated/package.json': code('json'),
    'ungated/index.ts': code('ts'),
  })
  await puzzleflow('run', join(search, 'search.yaml'), '--allow-plugin', join(search, 'ungated'))
  type Row = { slot: string; ffn: string; kl: number; kl_before_distillation: number }
  const rows = ((await puzzleflow('scores', 'ungated')) as Row[]).filter(
    ({ slot, ffn }) => slot === 'ffn' && ffn === 'ungated-16',
  )
  expect(rows.length).toBeGreaterThan(0)
  for (const { kl, kl_before_distillation: before } of rows) expect(kl).toBeLessThan(before)
  rmSync(search, { recursive: true })
}, 180_000)

test('a search goes through with a plugin’s block type, which is trained and scored like a built-in one', async () => {
  const search = await writeTinySearch()
  addFiles(search, {
    'search.yaml': `plugins: [./mine]\n${tinySpec}`.replace('{ block: swiglu, width: [50%] }', 'bare'),
    'mine/package.json': manifest('bare', './bare.ts'),
    'mine/bare.ts': `import { defineBlockType, definePlugin } from 'puzzleflow/plugin'
      export default definePlugin({ blocks: [defineBlockType({
        name: 'bare', slot: 'ffn', version: 1, parameters: { type: 'object', additionalProperties: false },
        variants: () => [{}],
        id: () => 'bare',
        shapes: ({ hidden }) => ({ matrix: [hidden, hidden] }),
        initialise: (_, { hidden }) => ({ matrix: { shape: [hidden, hidden], data: new Float32Array(hidden * hidden) } }),
        forward: (g, x, w) => ({ y: g.gemm(x, w.matrix!) }),
      })] })`,
  })
  const allowed = ['--allow-plugin', join(search, 'mine')]
  await puzzleflow('run', join(search, 'search.yaml'), ...allowed)
  const rows = (await puzzleflow('scores', 'tiny')) as { ffn: string; kl: number; costs: { ffn: object } }[]
  const bare = rows.filter(({ ffn }) => ffn === 'bare')
  expect(bare.length).toBeGreaterThanOrEqual(2)
  for (const { kl, costs } of bare) {
    expect(kl).toBeGreaterThan(0)
    expect(costs.ffn).toMatchObject({ parameters: 32 * 32 + 32 })
  }
  rmSync(search, { recursive: true })
}, 180_000)
