import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { SweepCurve } from '../../puzzle/sweep-curve.js'
import type { SweepOutputs } from '../../puzzle/sweep-point.js'
import { FileStore } from '../../store/index.js'
import { openTiny } from '../model/tiny.js'
import { temporaryFolder } from '../temporary-folder.js'
import { untrainedChild } from './children.js'
import { costTable, fakeSpace, giveScores, scoreRow, scoreRows } from './fakes.js'
import { sweepStages } from './sweep-stages.js'
import { Search } from './run-stage.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const model = await openTiny()
const store = new FileStore(temporaryFolder())
const scenario = { ...costTable.scenario }

/** A search whose pipeline ends with a sweep of one limit. */
async function search(
  limit: JsonObject,
  values: readonly number[],
  limits: JsonObject = {},
  own: FileStore = store,
): Promise<Search> {
  const spec = tinySpec({ space: fakeSpace, target: { scenario, limits }, stages: sweepStages(limit, values) })
  const opened = await Search.open(world.folder, spec, { store: own })
  await giveScores(opened, model)
  return opened
}
const speed = { name: 'throughput', bound: 'min', unit: 'parent' }
const size = { name: 'parameters', bound: 'max', unit: 'parent' }
const pointsOf = async (own: Search) =>
  (await own.outputs('sweep')).values.points as unknown as SweepOutputs['values']['points']

test('each point is the best child under its limit, and a tighter limit never gives a better one', async () => {
  const values = [1, 1.2, 1.5, 2, 3, 4, 8, 16]
  const points = await pointsOf(await search(speed, values))
  const losses = points.map((point) => (point.status === 'infeasible' ? NaN : point.objective))
  expect(losses[0]).toBe(0)
  for (const [i, loss] of losses.entries()) if (i > 0) expect(loss).toBeGreaterThanOrEqual(losses[i - 1]!)
  for (const [i, point] of points.entries()) {
    if (point.status === 'infeasible') throw new Error('the child without blocks is 16 times as fast')
    // Each is what `solve` finds alone, without its margin.
    const alone = await Search.open(
      world.folder,
      tinySpec({
        space: fakeSpace,
        target: { scenario, limits: { throughput: `>= ${values[i]}x` } },
        stages: { solve: { solutions: 1, margin: 0 } },
      }),
      { store },
    )
    await giveScores(alone, model)
    expect((await alone.outputs('solve')).values.objective).toBeCloseTo(point.objective, 12)
    expect(point.reaches).toBeGreaterThanOrEqual(values[i]! - 1e-9)
    // 8 tokens in 16 seconds.
    expect(point.reaches).toBeCloseTo(point.predicted.throughput / 0.5, 9)
    expect(point.ratios.throughput).toBeCloseTo(point.reaches, 9)
  }
})

test.each([
  ['of tokens per second', { name: 'throughput', bound: 'min', unit: 'tokens/s' }, 0.8, 'throughput', 1],
  ['of seconds', { name: 'latency', bound: 'max', unit: 'seconds' }, 10, 'runtime', 1],
  ['of bytes', { name: 'memory', bound: 'max', unit: 'bytes' }, 200, 'memoryBytes', 1],
  ['of parameters', size, 0.8, 'parameters', 1510],
  // A quarter of all made-up times is prefill; the rest is the time of 4 tokens.
  ['of seconds of prefill', { name: 'prefill', bound: 'max', unit: 'seconds' }, 2.5, 'runtime', 4],
  ['of seconds per token', { name: 'tokenLatency', bound: 'max', unit: 'seconds' }, 2, 'runtime', 16 / 3],
] as const)('a limit %s says what the child reaches in its unit', async (_, limit, value, figure, unit) => {
  const [point] = await pointsOf(await search(limit, [value]))
  if (!point || point.status === 'infeasible') throw new Error('the point is infeasible')
  expect(point.reaches * unit).toBeCloseTo(point.predicted[figure], 9)
})

test('a value that nothing meets is a result with the reason, and the other points are there', async () => {
  const own = await search(speed, [2, 20], { memory: '<= 90%' })
  const [met, missed] = await pointsOf(own)
  expect(met!.status).toBe('optimal')
  expect(missed).toEqual({
    status: 'infeasible',
    value: 20,
    reason:
      'throughput >= 20x of the parent cannot be met: the best any choice reaches is 8, the limit is 10 tokens/s (over by 25 % in runtime)',
  })
  const curve = await own.json<SweepCurve>((await own.outputs('curve')).files.result)
  expect(curve).toMatchObject({ otherLimits: ['memory <= 0.9x of the parent'], complete: true })
  expect(curve.points.map(({ status }) => status)).toEqual(['optimal', 'infeasible'])
})

test('the swept limit takes the place of the spec’s, and the others hold at every point', async () => {
  const points = await pointsOf(await search(size, [0.3, 0.9], { parameters: '<= 10%', memory: '<= 150 B' }))
  for (const point of points) {
    if (point.status === 'infeasible') throw new Error(point.reason)
    expect(point.predicted.memoryBytes).toBeLessThanOrEqual(150)
    expect(point.predicted.parameters).toBeLessThanOrEqual(point.value * 1510)
    expect(point.predicted.parameters).toBeGreaterThan(151)
  }
})

test('points that were solved before are found again, whatever other points there are', async () => {
  const own = new FileStore(temporaryFolder())
  await pointsOf(await search(speed, [1.5, 3], {}, own))
  const more = await search(speed, [1.5, 2, 3], {}, own)
  await pointsOf(more)
  expect(more.ran).toEqual(['sweep: throughput-2', 'sweep: gather'])
})

test('a child is measured once, however many points have it, and of whatever sweep they are', async () => {
  const own = new FileStore(temporaryFolder())
  const first = await search(size, [0.93, 0.94, 0.5], {}, own)
  const { library } = await untrainedChild(first, await first.parent())
  const prepared = await (await Search.open(world.folder, tinySpec({}), { store: own })).outputs('prepare')
  // Scores of what needs no weights but the matrix in the first layer.
  const rows = scoreRows.filter(
    ({ slot, attention, ffn }) => slot === 'ffn' && attention === 'parent' && ffn === 'no-op',
  )
  const scores = [...rows, scoreRow(0, 'attention', 'linear', 'parent', 0.01)]
  const give = async (sweep: Search) => {
    await giveScores(sweep, model, scores)
    sweep.give('distill', { files: { library: await own.putJson('library', library) } })
    sweep.give('prepare', prepared)
    return sweep
  }
  await give(first)
  const points = await pointsOf(first)
  const digests = points.map((point) => (point.status === 'infeasible' ? '' : point.solutionDigest))
  expect(new Set(digests).size).toBe(2)
  const evaluations = (await first.outputs('measure')).values.evaluations as unknown as Evaluation[]
  expect(evaluations).toHaveLength(2)
  for (const { child, timing } of evaluations) {
    expect(child.kl).toBeGreaterThan(0)
    expect(child.throughput).toMatchObject({
      predicted: expect.any(Number) as number,
      measured: expect.any(Number) as number,
    })
    expect(timing.child.length).toBeGreaterThan(0)
  }
  expect(first.ran.filter((task) => task.startsWith('measure: child-'))).toHaveLength(2)

  const second = await give(await search(size, [0.95], {}, own))
  await second.outputs('measure')
  expect(second.ran).toEqual(['sweep: parameters-0.95', 'sweep: gather', 'measure: gather'])
})
