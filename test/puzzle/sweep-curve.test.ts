import { expect, test } from 'vitest'
import type { Evaluation, Measured } from '../../puzzle/evaluation.js'
import { curveOf, dominated, type SweepState } from '../../puzzle/sweep-curve.js'
import { measurementOf, type SolvedPoint } from '../../puzzle/sweep-point.js'
import { passes } from '../stages/fakes.js'

test('a point is dominated by one that is as good in both and better in one', () => {
  const points = [
    { reaches: 1, loss: 1 },
    { reaches: 2, loss: 1 },
    { reaches: 2, loss: 1 },
    { reaches: 3, loss: 2 },
    { reaches: 2.5, loss: 2.1 },
  ]
  expect(dominated(points, 'min')).toEqual([true, false, false, false, true])
  // For what is to be small, the first and cheapest one beats all others.
  expect(dominated(points, 'max')).toEqual([false, true, true, true, true])
  expect(dominated([], 'min')).toEqual([])
})

test('the filter is what trying all pairs gives, for random points', () => {
  let state = 7
  const random = () => (state = (state * 16807) % 2147483647) % 8
  const points = Array.from({ length: 60 }, () => ({ reaches: random(), loss: random() }))
  const best = (reaches: number) => Math.min(...points.filter((p) => p.reaches >= reaches).map(({ loss }) => loss))
  const further = (reaches: number) => Math.min(...points.filter((p) => p.reaches > reaches).map(({ loss }) => loss))
  expect(dominated(points, 'min')).toEqual(
    points.map(({ reaches, loss }) => loss > best(reaches) || loss >= further(reaches)),
  )
})

const scenario = { batch: 2, prefill: 4, generate: 4 }
const swept = { name: 'throughput', bound: 'min', unit: 'parent' } as const
const solved = (value: number, digest: string, kl: number, reaches: number): SolvedPoint => ({
  status: 'optimal',
  value,
  bound: kl,
  gap: 0,
  reaches,
  ratios: { throughput: reaches, memory: 0.5, parameters: 0.5 },
  solutionDigest: digest,
  predicted: { throughput: reaches, runtime: 1 / reaches, memoryBytes: 1, parameters: 1 },
  objective: kl,
  layers: [],
})
const [a, b] = [solved(1.5, 'a'.repeat(64), 0.1, 1.9), solved(2, 'b'.repeat(64), 0.2, 2.2)]
const sameAsA = { ...a, value: 1.7 }
const state: SweepState = {
  swept,
  values: [1.5, 1.7, 2, 4],
  limits: [
    { ...swept, value: 1.5 },
    { name: 'memory', bound: 'max', unit: 'parent', value: 0.8 },
  ],
  scenario,
  points: [a, sameAsA, b, { status: 'infeasible', value: 4, reason: 'too fast' }],
  measures: false,
  measurements: new Map(),
}

/** A child that is measured without noise. */
function evaluation(kl: number, ratio: number): Evaluation<Measured> {
  const quality = {
    kl,
    perplexity: 5,
    accuracy: 0.9,
    tasks: {},
    memoryBytes: 1,
    parameters: 1,
    prefill: { measured: 1 },
    tokenLatency: { measured: 1 },
  }
  return {
    parent: { ...quality, kl: 0, throughput: { measured: 1 } },
    child: { ...quality, throughput: { measured: ratio } },
    ratios: { throughput: ratio, accuracy: 0.95, memory: 0.5, parameters: 0.5, prefill: 1, tokenLatency: 1 },
    timing: passes(scenario, { parent: 1, child: ratio }),
  }
}

test('a curve has a point for each value: solved, infeasible with the reason, or open', () => {
  const curve = curveOf(state)
  expect(curve).toMatchObject({
    otherLimits: ['memory <= 0.8x of the parent'],
    comparedBy: 'prediction',
    complete: true,
  })
  expect(curve.points.map(({ limit, status }) => `${limit}: ${status}`)).toEqual([
    'throughput >= 1.5x of the parent: optimal',
    'throughput >= 1.7x of the parent: optimal',
    'throughput >= 2x of the parent: optimal',
    'throughput >= 4x of the parent: infeasible',
  ])
  expect(curve.points[1]).toMatchObject({ sameAs: 1.5, dominated: false, predicted: { kl: 0.1, reaches: 1.9 } })
  expect(curve.points[3]).toEqual({
    value: 4,
    limit: 'throughput >= 4x of the parent',
    status: 'infeasible',
    reason: 'too fast',
  })
  const partial = curveOf({ ...state, points: [a] })
  expect(partial.complete).toBe(false)
  expect(partial.points.map(({ status }) => status)).toEqual(['optimal', 'open', 'open', 'open'])
})

test('a curve is complete only when all children are measured; then measurements decide what is dominated', () => {
  const first = new Map([[measurementOf(a), evaluation(0.3, 2)]])
  const partial = curveOf({ ...state, measures: true, measurements: first })
  expect(partial).toMatchObject({ complete: false, comparedBy: 'prediction' })
  expect(partial.points.map((point) => 'measured' in point)).toEqual([true, true, false, false])

  const both = new Map([...first, [measurementOf(b), evaluation(0.25, 2.1)]])
  const whole = curveOf({ ...state, measures: true, measurements: both })
  expect(whole).toMatchObject({ complete: true, comparedBy: 'measurement' })
  // The child of 2x turned out to be better than that of 1.5x.
  expect(whole.points.map((point) => 'dominated' in point && point.dominated)).toEqual([true, true, false, false])
  expect(whole.points[2]).toMatchObject({
    measured: { kl: 0.25, accuracy: 0.9, reaches: 2.1, met: 'yes', throughputInterval: [2.1, 2.1] },
  })
})

test('a point that was left out counts as done, and is listed', () => {
  const leftOut = [{ task: 'throughput-4', reason: 'skipped' }]
  const curve = curveOf({ ...state, points: [a, sameAsA, b], leftOut })
  expect(curve).toMatchObject({ complete: true, leftOut })
})

test('a limit is met if the whole interval meets it, missed if none of it does, and open otherwise', () => {
  const metWith = (child: number | readonly [number, number]) => {
    const timing = passes(scenario, { parent: 1, child })
    const { points } = curveOf({
      ...state,
      points: [b],
      measures: true,
      measurements: new Map([[measurementOf(b), { ...evaluation(0.2, 2), timing }]]),
    })
    return points.flatMap((point) => ('measured' in point ? [point.measured.met] : []))
  }
  expect([metWith(2.5), metWith([1.5, 2.5]), metWith(1.9)]).toEqual([['yes'], ['open'], ['no']])
})
