import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readSchema } from '../../schemas/read.js'
import { commandLine, pause } from '../../server/index.js'
import { childrenOf } from '../processes.js'
import { serverTimeout, testServer } from '../temporal.js'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { tinySpec, writeTinySearch } from './tiny-search.js'

/** Costs are given, so that all but measured times is the same wherever the search runs. */
const spec = tinySpec
  .replace("    parameters: '<= 80%'", "    parameters: '<= 80%'\n  profile: ./costs.json")
  // Long enough to be killed in between.
  .replace('evaluate: { repetitions: 1,', 'evaluate: { repetitions: 400,')
const sweep = ['sweep', 'search.yaml', '--limit', 'parameters=5%..90%', '--points', '5', '--measure'] as const
const command = [...sweep, '--heartbeat', '5'] as const

let undisturbed: Place
beforeAll(async () => {
  await testServer()
  undisturbed = new Place(await writeTinySearch(spec), inject('stateHome'))
}, serverTimeout)
afterAll(() => undisturbed.close())

/** Whole searches run here, beside other tests. */
const patience = 300_000

interface Curve {
  readonly complete: boolean
  readonly points: readonly {
    readonly status: string
    readonly reason?: string
    readonly predicted?: { readonly kl: number }
    readonly measured?: { readonly kl: number; readonly accuracy: number; readonly throughputInterval: unknown }
  }[]
}
const curveOf = ({ folder }: Place) =>
  JSON.parse(readFileSync(join(folder, 'runs/tiny-sweep/curve.json'), 'utf8')) as Curve
/** A curve without measured times. */
const withoutTimes = ({ points, ...curve }: Curve) => ({
  ...curve,
  points: points.map(({ measured, ...point }) => ({
    ...point,
    ...(measured && { measured: { kl: measured.kl, accuracy: measured.accuracy } }),
  })),
})

/** Keys of finished tasks by stage. */
function tasksOf({ store }: Place): ReadonlyMap<string, readonly string[]> {
  const folder = join(store, 'records')
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
  const tasks = new Map<string, string[]>()
  for (const name of names.filter((own) => own.endsWith('.json'))) {
    const { components } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      readonly components: { readonly stage: string; readonly kind: string }
    }
    tasks.set(components.stage, [...(tasks.get(components.stage) ?? []), name].sort())
  }
  return tasks
}

test(
  'a sweep writes its curve: points that are best under their limits, measured, and those that nothing meets',
  async () => {
    const { code, stdout, stderr } = await undisturbed.run(...command)
    expect(code, stderr).toBe(0)
    const curve = curveOf(undisturbed)
    expect(curve.complete).toBe(true)
    // Without any block, 12 % of the parameters are left.
    expect(curve.points.map(({ status }) => status)).toEqual([
      'infeasible',
      'infeasible',
      'optimal',
      'optimal',
      'optimal',
    ])
    expect(curve.points[0]!.reason).toMatch(/^parameters <= 0\.05x of the parent cannot be met: .* \(over by /)
    const losses = curve.points.slice(2).map(({ predicted }) => predicted!.kl)
    expect([...losses].sort((a, b) => b - a)).toEqual(losses)
    for (const { measured } of curve.points.slice(2)) {
      expect(measured!.kl).toBeGreaterThan(0)
      expect(measured!.throughputInterval).toHaveLength(2)
    }
    const result = JSON.parse(readFileSync(join(undisturbed.folder, 'runs/tiny-sweep/result.json'), 'utf8')) as object
    expect(result).toMatchObject({ run: 'tiny-sweep', ...curve })
    const validate = new Ajv2020({ strict: false }).compile(readSchema('curve'))
    expect(validate(result), JSON.stringify(validate.errors)).toBe(true)
    const page = readFileSync(join(undisturbed.folder, 'runs/tiny-sweep/curve.md'), 'utf8')
    expect(stdout).toBe(`${page}\n`)
    const csv = readFileSync(join(undisturbed.folder, 'runs/tiny-sweep/curve.csv'), 'utf8')
    expect(csv.trimEnd().split('\n')).toHaveLength(6)
    expect(await runHere(undisturbed, 'result', 'tiny-sweep')).toMatchObject({ code: 0, stdout: `${page}\n` })
    const asJson = await runHere(undisturbed, 'result', 'tiny-sweep', '--json')
    expect(JSON.parse(asJson.stdout)).toEqual(result)
    expect(stderr).toContain(`Report: ${undisturbed.folder}/runs/tiny-sweep/report.html`)
    const html = readFileSync(join(undisturbed.folder, 'runs/tiny-sweep/report.html'), 'utf8')
    expect(html).toMatch(/points that can be met<b>3 of 5<\/b\s*>/)
    expect(html).not.toMatch(/NaN|undefined|<script/)
  },
  patience,
)

test(
  'a search of the same spec does nothing again that the sweep has done, and neither does a sweep after a search',
  async () => {
    const shared = ['prepare', 'profile', 'check-limits', 'capture', 'depth', 'distill', 'score'] as const
    const before = tasksOf(undisturbed)
    expect((await undisturbed.run('run', 'search.yaml', '--until', 'solve', '--heartbeat', '5')).code).toBe(0)
    const between = tasksOf(undisturbed)
    for (const stage of shared.filter((own) => own !== 'check-limits'))
      expect(between.get(stage), stage).toEqual(before.get(stage))
    // It reads the limits, which are others: a list of tasks, a task and its outputs more.
    expect([before.get('check-limits')!.length, between.get('check-limits')!.length]).toEqual([3, 6])
    expect([before.has('solve'), between.has('solve')]).toEqual([false, true])

    const other = ['sweep', 'search.yaml', '--limit', 'parameters=20%..90%', '--points', '2', '--run', 'other']
    expect((await undisturbed.run(...other, '--heartbeat', '5')).code).toBe(0)
    const after = tasksOf(undisturbed)
    for (const stage of shared.filter((own) => own !== 'check-limits'))
      expect(after.get(stage), stage).toEqual(before.get(stage))
  },
  patience,
)

test(
  'a sweep that is killed keeps its curve, goes on with the same command, and ends with the same curve',
  async () => {
    const disturbed = new Place(await writeTinySearch(spec), inject('stateHome'))
    try {
      const first = disturbed.start(...command, '--verbose')
      const folder = join(disturbed.folder, 'runs/tiny-sweep')
      const measured = () => curveOf(disturbed).points.filter((point) => point.measured).length
      await first.says(/running: .*measure/)
      // The command looks once a second: its file is looked for.
      while (!existsSync(join(folder, 'curve.csv')) || measured() === 0) await pause(20)
      const worker = disturbed.worker!
      const pids = [first.process.pid!, worker, ...childrenOf(worker)]
      for (const pid of pids) process.kill(pid, 'SIGKILL')
      while (pids.some((pid) => commandLine(pid) !== '')) await pause(5)
      const partial = curveOf(disturbed)
      expect(partial.complete).toBe(false)
      expect(partial.points.map(({ status }) => status)).toEqual(
        curveOf(undisturbed).points.map(({ status }) => status),
      )
      // What is there now can be asked for without the command that has grown it.
      const shown = await runHere(disturbed, 'result', 'tiny-sweep', '--json')
      expect(JSON.parse(shown.stdout)).toMatchObject({ run: 'tiny-sweep', points: partial.points })
      const asked = await runHere(disturbed, 'report', 'tiny-sweep', '--json')
      const { report } = JSON.parse(asked.stdout) as { report: string }
      expect(readFileSync(report, 'utf8')).toMatch(/Not complete:\s+children are being measured/)
      const before = tasksOf(disturbed)

      const { code, stderr } = await disturbed.run(...command)
      expect(code, stderr).toBe(0)
      expect(withoutTimes(curveOf(disturbed))).toEqual(withoutTimes(curveOf(undisturbed)))
      const after = tasksOf(disturbed)
      for (const [stage, tasks] of before) expect(after.get(stage), stage).toEqual(expect.arrayContaining([...tasks]))
    } finally {
      await disturbed.close()
    }
  },
  patience,
)

test('a sweep without any point ends before training, with the reason', async () => {
  const { code, stderr } = await undisturbed.run(
    ...['sweep', 'search.yaml', '--limit', 'parameters=5%..9%', '--points', '2', '--run', 'none'],
  )
  expect(code).toBe(3)
  expect(stderr).toContain('parameters <= 0.09x of the parent cannot be met: the best any choice reaches is ')
})

test.each([
  ['without a limit', [], "error: required option '--limit <name=from..to>' not specified"],
  [
    'of one point',
    ['--limit', 'memory=50%..90%', '--points', '1'],
    "error: option '--points <n>' argument '1' is invalid. It must be a whole number, 2 or more.",
  ],
  [
    'of an unknown limit',
    ['--limit', 'speed=1x..2x'],
    /^--limit speed=1x\.\.2x: there is no limit "speed"\nRemedy: Limits: throughput, memory, /,
  ],
  [
    'from the larger value to the smaller one',
    ['--limit', 'memory=90%..50%'],
    '--limit memory=90%..50%: FROM must be less than TO\nRemedy: Write the smaller value first: --limit memory=50%..90%.',
  ],
  [
    'of two limits',
    ['--limit', 'memory=50%..90%', '--limit', 'latency=50%..90%'],
    'Both memory and latency have a range: only one limit is swept\nRemedy: Fix one of them: --limit latency=VALUE.',
  ],
  ['of no range', ['--limit', 'memory=50%'], 'No limit has a range\nRemedy: Write one: --limit memory=FROM..TO.'],
  [
    'of a limit that is also fixed',
    ['--limit', 'memory=50%..90%', '--limit', 'memory=80%'],
    '--limit names memory twice\nRemedy: Give each limit one range or value.',
  ],
] as const)('a sweep %s is refused before anything runs', async (_, options, message) => {
  const { code, stdout, stderr } = await runHere(undisturbed, 'sweep', 'search.yaml', ...options)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  if (typeof message === 'string') expect(stderr.trim()).toBe(message)
  else expect(stderr).toMatch(message)
})

test('a pipeline without the stages of a search is refused', async () => {
  const custom = `apiVersion: puzzleflow/v1
name: custom
pipeline: { stages: { wait: { uses: approve, with: { question: 'Now?' } } } }
`
  writeFileSync(join(undisturbed.folder, 'custom.yaml'), custom)
  expect(await runHere(undisturbed, 'sweep', 'custom.yaml', '--limit', 'memory=50%..90%')).toEqual({
    code: 2,
    stdout: '',
    stderr: `The pipeline "custom" has no stage "solve" with scores and costs for a sweep to replace
Remedy: Sweep a spec of the pipeline puzzle, or of one with its stages.
`,
  })
})
