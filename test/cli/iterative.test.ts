import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readSchema } from '../../schemas/read.js'
import { commandLine, pause } from '../../server/index.js'
import { childrenOf } from '../processes.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'
import { tinySpec, writeTinySearch } from './tiny-search.js'

const spec = tinySpec
  .replace('seed: 3', 'seed: 3\npipeline: iterative')
  .replace("'<= 80%'", "'<= 70%'")
  .replace('  evaluate:', '  refine: { evaluations: 8, sequences: 16 }\n  evaluate:')
let place: Place
beforeAll(async () => {
  await testServer()
  place = new Place(await writeTinySearch(spec), inject('stateHome'))
}, serverTimeout)
afterAll(() => place.close())

/** Whole searches run here, beside other tests. */
const patience = 300_000

interface Forecast {
  readonly stages: readonly { readonly stage: string; readonly tasks: number | 'unknown'; readonly reused: number }[]
}
const forecast = async () => JSON.parse((await place.run('plan', 'search.yaml', '--json')).stdout) as Forecast
const resultOf = () => JSON.parse(readFileSync(join(place.folder, 'runs/tiny/result.json'), 'utf8')) as object

test(
  'a search in two rounds goes on after its first round, and after its processes were killed in the second',
  async () => {
    const first = await place.run('run', 'search.yaml', '--until', 'base')
    expect(first.code, first.stderr).toBe(0)
    const { stages } = await forecast()
    const left = stages.filter(({ tasks, reused }) => tasks !== reused).map(({ stage }) => stage)
    expect(left.slice(0, 2)).toEqual(['recapture', 'depth'])
    expect(left).not.toContain('first-uptrain')

    const run = place.start('run', 'search.yaml', '--heartbeat', '5', '--verbose')
    await run.says(/running: .*distill/)
    const pids = [run.process.pid!, place.worker!, ...childrenOf(place.worker!)]
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    while (pids.some((pid) => commandLine(pid) !== '')) await pause(5)

    const { code, stderr } = await place.run('run', 'search.yaml', '--heartbeat', '5')
    expect(code, stderr).toBe(0)
    const validate = new Ajv2020({ strict: false }).compile(readSchema('result'))
    expect(validate(resultOf()), JSON.stringify(validate.errors)).toBe(true)
    expect(resultOf()).toMatchObject({ verdict: 'accepted' })
  },
  patience,
)

test(
  'what it needs of its first round is not garbage, and the same search again does nothing',
  async () => {
    expect((await place.run('artifacts', 'gc', '--apply', '--older-than', '0 s')).code).toBe(0)
    expect((await forecast()).stages.filter(({ tasks, reused }) => tasks !== reused)).toEqual([])
    expect(await place.run('run', 'search.yaml')).toMatchObject({ code: 0 })
  },
  patience,
)

test(
  'why a task of the second round ran can be explained, and scores are those of the second round',
  async () => {
    const explained = await place.run('explain', 'tiny', 'recapture')
    expect(explained.code, explained.stderr).toBe(0)
    const { stdout } = await place.run('scores', 'tiny', '--json')
    expect((JSON.parse(stdout) as object[]).length).toBeGreaterThan(0)
  },
  patience,
)
