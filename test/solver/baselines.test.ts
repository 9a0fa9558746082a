import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unit } from '../../solver/greedy.js'
import { baselineNames } from '../../solver/result.js'
import { solveHere } from '../../solver/solve-here.js'
import { bruteForce, holdsLimits, indices, searchProblem, smallProblem, sum } from './problems.js'

const option = (id: string, score: number, memory: number) => ({ id, score, costs: { memory } })

test('every baseline is reported by name, meets the limits, and does not beat the optimum', async () => {
  const problem = { ...searchProblem(12, 15, 0.6), gap: 1e-6 }
  const { solutions, baselines } = await solveHere(problem)
  expect(Object.keys(baselines)).toEqual([...baselineNames])
  expect(baselineNames).toEqual(['greedy', 'marginal-greedy', 'random', 'homogeneous', 'no-op'])
  for (const baseline of Object.values(baselines)) {
    if (!baseline.feasible) throw new Error(baseline.reason)
    const choice = indices(problem, baseline.choice)
    expect(holdsLimits(problem, choice)).toBe(true)
    expect(baseline.objective).toBeCloseTo(
      sum(problem, choice, ({ score }) => score),
      12,
    )
    expect(baseline.objective).toBeGreaterThanOrEqual(solutions[0]!.objective * (1 - 1e-6))
    expect(baseline.excess).toBeCloseTo(baseline.objective / solutions[0]!.objective - 1, 9)
  }
})

test('feasible baselines of random problems really meet the limits', async () => {
  await fc.assert(
    fc.asyncProperty(smallProblem, async (problem) => {
      const [best] = bruteForce(problem)
      const { baselines } = await solveHere(problem)
      for (const baseline of Object.values(baselines)) {
        if (!baseline.feasible) {
          expect(baseline.objective).toBeNull()
          expect(baseline.reason).not.toBe('')
          continue
        }
        expect(holdsLimits(problem, indices(problem, baseline.choice))).toBe(true)
        expect(baseline.objective).toBeGreaterThanOrEqual(best!.objective - 1e-9 * Math.abs(best!.objective))
      }
    }),
    { seed: 20260105, numRuns: 150 },
  )
})

test('homogeneous is the best option that all layers have in common', async () => {
  const layers = [0, 1].map((i) => ({
    options: [option('large', 0, 10), option('middle', i === 0 ? 1 : 3, 5), option('small', 2.5, 5)],
  }))
  const { baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: 12 }] })
  expect(baselines.homogeneous).toMatchObject({ feasible: true, objective: 4, choice: ['middle', 'middle'] })
})

test('homogeneous gives the reason if it does not exist', async () => {
  const layers = ['a', 'b'].map((id) => ({ options: [option(id, 0, 1)] }))
  const { baselines } = await solveHere({ layers })
  expect(baselines.homogeneous).toEqual({
    feasible: false,
    objective: null,
    reason: 'no option id occurs in every layer',
  })
})

test('no-op only removes sub-blocks, and chooses the best ones to remove', async () => {
  const scores = [5, 1, 3]
  const layers = scores.map((score) => ({
    options: [
      option('parent+parent', 0, 10),
      option('parent+swiglu-256', 0.1, 5),
      option('parent+no-op', score, 6),
      option('no-op+no-op', 3 * score, 0),
    ],
  }))
  const { solutions, baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: 22 }] })
  expect(solutions[0]!.objective).toBeCloseTo(0.2, 12)
  expect(baselines['no-op']).toMatchObject({
    feasible: true,
    objective: 3,
    choice: ['parent+parent', 'no-op+no-op', 'parent+parent'],
  })
})

test('greedy splits the limit equally and passes on what a layer does not use', async () => {
  // Mean scores 1, 2, 3 order the layers; each has 10 of 30. Using 6 leaves 4 for the next layer, which can use 14.
  const layers = [
    { options: [option('a', 0, 6), option('b', 2, 1)] },
    { options: [option('a', 0, 14), option('b', 4, 1)] },
    { options: [option('a', 0, 11), option('b', 6, 9)] },
  ]
  const { baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: 30 }] })
  expect(baselines.greedy).toMatchObject({ feasible: true, objective: 6, choice: ['a', 'a', 'b'] })
})

test('marginal greedy pays the lowest score per unit of violation removed', async () => {
  const layers = [
    { options: [option('a', 0, 10), option('b', 4, 5)] },
    { options: [option('a', 0, 10), option('b', 1, 8)] },
  ]
  // The excess is 4: "b" in layer 1 removes 2 at 0.5 each, then "b" in layer 0 removes the rest.
  const { baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: 16 }] })
  expect(baselines['marginal-greedy']).toMatchObject({ feasible: true, objective: 5, choice: ['b', 'b'] })
})

test('random is the median of feasible samples, and the same seed gives the same samples', async () => {
  const problem = searchProblem(10, 12, 0.5)
  const random = async (seed: number) => (await solveHere({ ...problem, seed })).baselines.random
  const first = await random(1)
  if (!first?.feasible) throw new Error('no sample')
  expect(first.samples!.count).toBe(100)
  expect(first.samples!.minimum).toBeLessThan(first.objective)
  expect(first.samples!.maximum).toBeGreaterThan(first.objective)
  expect(await random(1)).toEqual(first)
  expect(await random(2)).not.toEqual(first)
})

test('violations of a limit of 0 are measured in units of its largest use', () => {
  expect(unit({ cost: 'memory', use: Float64Array.of(3, -5), max: 0, tolerance: 0 })).toBe(5)
})

test('a limit close to 0 ends the greedy methods like any other limit that cannot be met', async () => {
  const layers = [{ options: [option('a', 0.3, 2), option('b', 0.5, 1)] }]
  const { status, baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: -5e-324 }] })
  expect(status).toBe('infeasible')
  expect(Object.values(baselines).filter(({ feasible }) => feasible)).toEqual([])
})
