import { expect, test } from 'vitest'
import { uniform } from '../../solver/random.js'
import type { Problem } from '../../solver/problem.js'
import { solveHere } from '../../solver/solve-here.js'
import { holdsLimits, indices } from './problems.js'

/** Few variants with the same integer costs in every layer: many equal sums, which bounds cannot distinguish. */
function tiedProblem(layers: number, seed: number): Problem {
  const next = uniform(seed)
  const costs = Array.from({ length: 15 }, (_, j) => ({ a: 15 - j, b: 1 + ((j * 7) % 15), c: 1 + ((j * 4) % 15) }))
  return {
    layers: Array.from({ length: layers }, () => {
      const sensitivity = 0.5 + next()
      const options = costs.map((cost, j) => ({ id: `${j}`, score: sensitivity * (j + 2 * next()), costs: cost }))
      return { options }
    }),
    limits: ['a', 'b', 'c'].map((cost) => ({ cost, max: 6.5 * layers })),
    gap: 0,
  }
}

test('with hardly any time, a feasible problem is never reported as infeasible, and every solution meets the limits', async () => {
  const statuses = new Set<string>()
  for (const timeLimitSeconds of [1e-6, 0.01, 0.1, 0.3])
    for (const seed of [1, 2, 3]) {
      const problem = { ...tiedProblem(60, seed), timeLimitSeconds }
      const { status, solutions, infeasible } = await solveHere(problem)
      statuses.add(status)
      expect(status).not.toBe('infeasible')
      expect(infeasible).toBeUndefined()
      expect(solutions.length > 0).toBe(status !== 'time-limit')
      for (const solution of solutions) {
        expect(holdsLimits(problem, indices(problem, solution.choice))).toBe(true)
        expect(solution.bound).toBeLessThanOrEqual(solution.objective)
        expect(Number.isFinite(solution.gap)).toBe(true)
      }
      if (status === 'feasible') expect(solutions[0]!.gap).toBeGreaterThan(0)
    }
  // Otherwise the test proves nothing: the problem must be too hard for the time.
  expect([...statuses]).not.toEqual(['optimal'])
})

test('with hardly any time, a problem with contradictory limits is infeasible or unsolved, never feasible', async () => {
  // Either "a" or "b" is 1 in each layer, so their sums add up to 40, more than 19.5 + 19.5.
  const layers = Array.from({ length: 40 }, () => ({
    options: [
      { id: 'a', score: 0, costs: { a: 1, b: 0 } },
      { id: 'b', score: 0, costs: { a: 0, b: 1 } },
    ],
  }))
  const limits = ['a', 'b'].map((cost) => ({ cost, max: 19.5 }))
  for (const timeLimitSeconds of [1e-6, 0.01, 1]) {
    const { status, solutions } = await solveHere({ layers, limits, timeLimitSeconds })
    expect(['infeasible', 'time-limit']).toContain(status)
    expect(solutions).toEqual([])
  }
})

test('infeasibility that only a search can prove is proven if there is time for it', async () => {
  // Even costs cannot add up to a sum between 21 and 21.5, although the relaxation can.
  const layers = Array.from({ length: 12 }, () => ({
    options: [
      { id: 'two', score: 1, costs: { up: 2, down: -2 } },
      { id: 'none', score: 0, costs: { up: 0, down: 0 } },
    ],
  }))
  const limits = [
    { cost: 'up', max: 21.5 },
    { cost: 'down', max: -21 },
  ]
  const { status, infeasible, secondOpinion } = await solveHere({ layers, limits })
  expect(status).toBe('infeasible')
  expect(secondOpinion.verdict).toBe('agrees-infeasible')
  expect(infeasible?.limits).toMatchObject([
    { cost: 'up', minimum: 22, excess: 0.5, holding: ['down'] },
    { cost: 'down', minimum: -20, excess: 1, holding: ['up'] },
  ])
})
