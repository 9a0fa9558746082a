import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectedSeconds } from '../../cli/estimate.js'
import { needsOfPlan } from '../../cli/readiness.js'
import { specRegistry } from '../../cli/spec-registry.js'
import { describedTypes } from '../../plugins/loading/load.js'
import { compileSpec } from '../../spec/plan.js'
import { packageVersion } from '../../store/paths.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

let place: Place
beforeAll(async () => void (place = new Place(await writeTinySearch())))
afterAll(() => place.close())

/** What a command prints that succeeds. */
async function prints(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await place.run(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}
const json = async (...args: readonly string[]) =>
  JSON.parse(await prints(...args, '--json')) as Record<string, unknown>

test('schema prints the schema of specs, which takes a spec and refuses another', async () => {
  const validate = new Ajv2020({ strict: false }).compile(await json('schema'))
  const spec = {
    apiVersion: 'puzzleflow/v1',
    name: 'a',
    model: './parent',
    data: { train: { path: 'a' }, validate: { path: 'b' } },
    space: { attention: ['parent'], ffn: [{ block: 'swiglu', width: ['50%'] }] },
    target: { scenario: { batch: 1, prefill: 1, generate: 1 } },
  }
  expect(validate(spec), JSON.stringify(validate.errors)).toBe(true)
  expect(validate({ ...spec, space: { attention: ['parent'], ffn: [{ block: 'swiglu', widht: ['50%'] }] } })).toBe(
    false,
  )
})

test('schema prints the other schemas by name', async () => {
  expect(await json('schema', 'problem')).toMatchObject({ title: 'puzzleflow selection problem' })
  expect(await json('schema', 'result')).toMatchObject({ title: 'puzzleflow result' })
})

test('graph draws the stages', async () => {
  const text = await prints('graph', 'search.yaml')
  expect(text.split('\n').slice(0, 5)).toEqual([
    'flowchart TD',
    '  s0["prepare"]',
    '  s1[["profile"]]',
    '  s2["check-limits"]',
    '  s3["capture"]',
  ])
  expect(await json('graph', 'search.yaml', '--format', 'dot')).toMatchObject({
    format: 'dot',
    graph: expect.stringMatching(/^digraph "tiny" \{\n/) as string,
  })
})

test('plan says what would run, and makes nothing', async () => {
  const { stages } = (await json('plan', 'search.yaml')) as {
    stages: { stage: string; tasks: unknown; reused: number }[]
  }
  expect(stages.map(({ stage, tasks, reused }) => [stage, tasks, reused]).slice(0, 3)).toEqual([
    ['prepare', 'unknown', 0],
    ['profile', 'unknown', 0],
    ['check-limits', 'unknown', 0],
  ])
  expect(await prints('plan', 'search.yaml')).toMatch(/^tiny, digest [0-9a-f]{12}, pipeline puzzle\n/)
  expect(existsSync(place.store)).toBe(false)
})

test('a run that begins expects what plan says, and measures nothing itself', async () => {
  const { plan } = await compileSpec(join(place.folder, 'search.yaml'), specRegistry())
  const loaded = await describedTypes(plan!)
  const needs = await needsOfPlan(plan!, loaded)
  const home = process.env.XDG_STATE_HOME
  try {
    process.env.XDG_STATE_HOME = join(place.folder, 'new')
    expect(await expectedSeconds(plan!, loaded, needs)).toBeUndefined()
    expect(existsSync(join(place.folder, 'new'))).toBe(false)
    const { stages } = (await json('plan', 'search.yaml')) as { stages: { stage: string; seconds: number | null }[] }
    process.env.XDG_STATE_HOME = place.environment.XDG_STATE_HOME
    const expected = await expectedSeconds(plan!, loaded, needs)
    expect(Object.keys(expected!).length).toBeGreaterThan(10)
    for (const { stage, seconds } of stages)
      // Reading a part of the data is timed each time.
      if (stage !== 'prepare') expect(expected![stage] ?? null, stage).toBe(seconds)
  } finally {
    process.env.XDG_STATE_HOME = home
  }
})

test('solve prints the best choice and proves it', async () => {
  const option = (id: string, score: number, memory: number) => ({ id, score, costs: { memory } })
  const layer = { options: [option('large', 0, 10), option('small', 0.5, 4), option('none', 2, 0)] }
  const problem = { layers: [layer, layer], limits: [{ cost: 'memory', max: 14 }] }
  writeFileSync(join(place.folder, 'problem.json'), JSON.stringify(problem))
  const result = await json('solve', 'problem.json')
  expect(result.status).toBe('optimal')
  expect((result.solutions as { objective: number; choice: string[] }[])[0]).toMatchObject({ objective: 0.5 })
})

test('solve says which limit cannot be met and by how much, with its own exit code', async () => {
  const layer = { options: [{ id: 'only', score: 0, costs: { memory: 10 } }] }
  writeFileSync(
    join(place.folder, 'problem.json'),
    JSON.stringify({ layers: [layer, layer], limits: [{ cost: 'memory', max: 15 }] }),
  )
  const { code, stdout, stderr } = await place.run('solve', 'problem.json')
  expect(code).toBe(3)
  expect(JSON.parse(stdout)).toMatchObject({ status: 'infeasible' })
  expect(stderr).toBe('The limit "memory" <= 15 cannot be met: the least is 20 (5 too much, 33.3 %).\n')
})

test('solve refuses what is no problem', async () => {
  writeFileSync(join(place.folder, 'problem.json'), '{"layers": []}')
  const { code, stdout, stderr } = await place.run('solve', 'problem.json', '--json')
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ error: { kind: 'InvalidInput', exitCode: 2 } })
  expect(stderr).toBe(`The problem is invalid.
layers: must NOT have fewer than 1 items, not a list of 0.
Remedy: Correct the problem; schemas/problem.schema.json describes its form (\`npx puzzleflow schema problem\`).
`)
})

test('`--version` prints the version of the package', async () => {
  expect(await prints('--version')).toBe(`${packageVersion()}\n`)
})

test('help lists the commands on stdout', async () => {
  const text = await prints('--help')
  for (const command of ['run', 'validate', 'solve', 'worker']) expect(text).toContain(`  ${command} `)
})
