import fc from 'fast-check'
import { expect, test } from 'vitest'
import { solveHere } from '../../solver/solve-here.js'
import { bruteForce, smallProblem, sum } from './problems.js'

const option = (id: string, memory: number, runtime: number) => ({ id, score: 0, costs: { memory, runtime } })

test('a limit that cannot be met alone is named with its excess', async () => {
  const layers = [0, 1].map(() => ({ options: [option('a', 100, 5), option('b', 60, 9)] }))
  const limits = [
    { cost: 'memory', max: 100 },
    { cost: 'runtime', max: 50 },
  ]
  const { status, solutions, infeasible, secondOpinion } = await solveHere({ layers, limits })
  expect(status).toBe('infeasible')
  expect(solutions).toEqual([])
  expect(secondOpinion.verdict).toBe('agrees-infeasible')
  expect(infeasible?.limits).toEqual([{ cost: 'memory', max: 100, minimum: 120, excess: 20, holding: [] }])
  expect(infeasible?.message).toBe('The limit "memory" <= 100 cannot be met: the least is 120 (20 too much, 20.0 %).')
})

test('contradictory limits are named together, each with its minimum while the other is met', async () => {
  const layers = [0, 1].map(() => ({ options: [option('a', 10, 1), option('b', 1, 10)] }))
  const limits = [
    { cost: 'memory', max: 5 },
    { cost: 'runtime', max: 15 },
  ]
  const { status, infeasible } = await solveHere({ layers, limits })
  expect(status).toBe('infeasible')
  expect(infeasible?.limits).toEqual([
    { cost: 'memory', max: 5, minimum: 11, excess: 6, holding: ['runtime'] },
    { cost: 'runtime', max: 15, minimum: 20, excess: 5, holding: ['memory'] },
  ])
})

test('a limit that does not contribute to the contradiction is not blamed', async () => {
  const layers = [0, 1].map(() => ({ options: [option('a', 10, 1), option('b', 1, 10)] }))
  const limits = [
    { cost: 'runtime', max: 100 },
    { cost: 'memory', max: 1 },
  ]
  const { infeasible } = await solveHere({ layers, limits })
  expect(infeasible?.limits.map(({ cost }) => cost)).toEqual(['memory'])
})

test('on random infeasible problems, the reported minimum is what the limit would have to be', async () => {
  await fc.assert(
    fc.asyncProperty(smallProblem, async (problem) => {
      fc.pre(bruteForce(problem).length === 0)
      const { status, infeasible } = await solveHere(problem)
      expect(status).toBe('infeasible')
      for (const { cost, max, minimum, excess, holding } of infeasible!.limits) {
        const others = problem.limits!.filter((limit) => holding.includes(limit.cost))
        const uses = bruteForce({ ...problem, limits: others }).map(({ choice }) =>
          sum(problem, choice, (option) => option.costs[cost]!),
        )
        expect(Math.abs(minimum - Math.min(...uses))).toBeLessThanOrEqual(2e-6 * Math.abs(minimum))
        expect(excess).toBe(minimum - max)
        expect(excess).toBeGreaterThan(0)
      }
      expect(infeasible!.limits.length).toBeGreaterThan(0)
    }),
    { seed: 20260104, numRuns: 100 },
  )
})
