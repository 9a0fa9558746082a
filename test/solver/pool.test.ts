import fc from 'fast-check'
import { expect, test } from 'vitest'
import { solveHere } from '../../solver/solve-here.js'
import { bruteForce, differences, holdsLimits, indices, searchProblem, smallProblem } from './problems.js'

test('each solution of a pool is the best one that differs enough from the earlier ones', async () => {
  const wanted = fc.record({
    problem: smallProblem,
    solutions: fc.integer({ min: 2, max: 4 }),
    minimumDifference: fc.constantFrom(0, 0.2, 0.5, 1),
  })
  await fc.assert(
    fc.asyncProperty(wanted, async ({ problem, solutions: count, minimumDifference }) => {
      const all = bruteForce(problem)
      fc.pre(all.length > 0)
      const { solutions, pool } = await solveHere({ ...problem, solutions: count, minimumDifference })
      const least = Math.max(1, Math.ceil(minimumDifference * problem.layers.length - 1e-9))
      expect(pool).toMatchObject({ requested: count, differentLayers: least })
      const choices = solutions.map((solution) => indices(problem, solution.choice))
      const size = Math.max(...all.map(({ objective }) => Math.abs(objective)), 1e-300)
      for (const [n, choice] of choices.entries()) {
        expect(holdsLimits(problem, choice)).toBe(true)
        const earlier = choices.slice(0, n)
        for (const other of earlier) expect(differences(choice, other)).toBeGreaterThanOrEqual(least)
        const best = all.find((one) => earlier.every((other) => differences(one.choice, other) >= least))!
        expect(Math.abs(solutions[n]!.objective - best.objective)).toBeLessThanOrEqual(5e-6 * size)
      }
      const another = all.find((one) => choices.every((other) => differences(one.choice, other) >= least))
      if (solutions.length < count) {
        expect(pool.status).toBe('exhausted')
        expect(another).toBeUndefined()
      } else expect(pool.status).toBe('complete')
    }),
    { seed: 20260103, numRuns: 250 },
  )
})

test('the pool of a larger problem is sorted best first and proven to its gap', async () => {
  const problem = searchProblem(24, 20, 0.55)
  const result = await solveHere({ ...problem, solutions: 4, minimumDifference: 0.2 })
  expect(result.pool).toEqual({ requested: 4, differentLayers: 5, status: 'complete' })
  const { solutions } = result
  expect(solutions.map(({ status }) => status)).toEqual(['optimal', 'optimal', 'optimal', 'optimal'])
  expect(solutions[0]!.gap).toBeLessThanOrEqual(1e-4)
  for (const { gap } of solutions) expect(gap).toBeLessThanOrEqual(1e-3)
  const objectives = solutions.map(({ objective }) => objective)
  expect(objectives).toEqual([...objectives].sort((a, b) => a - b))
  for (const [n, a] of solutions.entries())
    for (const b of solutions.slice(n + 1)) expect(differences(a.choice, b.choice)).toBeGreaterThanOrEqual(5)
})
