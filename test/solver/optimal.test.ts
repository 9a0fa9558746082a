import fc from 'fast-check'
import { expect, test } from 'vitest'
import { solveHere } from '../../solver/solve-here.js'
import { bruteForce, holdsLimits, indices, searchProblem, smallProblem, sum } from './problems.js'

const runs = { seed: 20260101, numRuns: 400 }

test('on small problems the objective is that of the best selection, and infeasible means that no selection exists', async () => {
  await fc.assert(
    fc.asyncProperty(smallProblem, async (problem) => {
      const [best] = bruteForce(problem)
      const { status, solutions, infeasible } = await solveHere(problem)
      if (!best) {
        expect(status).toBe('infeasible')
        expect(solutions).toEqual([])
        expect(infeasible?.limits.length).toBeGreaterThan(0)
        return
      }
      expect(status).toBe('optimal')
      const [solution] = solutions
      const choice = indices(problem, solution!.choice)
      expect(holdsLimits(problem, choice)).toBe(true)
      expect(solution!.objective).toBeCloseTo(
        sum(problem, choice, (option) => option.score),
        12,
      )
      // The gap is 1e-6 of the objective, or of the scores' range if they cancel out.
      const size = problem.layers.reduce(
        (total, { options }) => total + Math.max(...options.map((option) => Math.abs(option.score))),
        0,
      )
      expect(solution!.objective - best.objective).toBeLessThanOrEqual(2e-6 * size)
      expect(solution!.bound).toBeLessThanOrEqual(best.objective + 1e-9 * size)
    }),
    runs,
  )
})

test('a MIP solver agrees on every small problem', async () => {
  await fc.assert(
    fc.asyncProperty(smallProblem, async (problem) => {
      const { status, solutions, secondOpinion, engineFailures } = await solveHere(problem)
      const verdicts = status === 'infeasible' ? ['agrees-infeasible'] : ['agrees', 'none']
      expect(verdicts).toContain(secondOpinion.verdict)
      if (secondOpinion.verdict === 'none') expect(solutions[0]!.engine).toBe('highs')
      expect(engineFailures).toBeUndefined()
    }),
    { ...runs, numRuns: 200, seed: 20260102 },
  )
})

test('the reported costs are the sums over the choice', async () => {
  const option = (id: string, score: number, memory: number) => ({ id, score, costs: { memory, time: 2 } })
  const layers = [0, 1, 2].map(() => ({ options: [option('large', 0, 10), option('small', 1, 4)] }))
  const { solutions } = await solveHere({ layers, limits: [{ cost: 'memory', max: 24 }] })
  expect(solutions[0]).toMatchObject({ objective: 1, costs: { memory: 24, time: 6 } })
})

test('a sum of floats that equals the limit up to rounding meets it', async () => {
  const layers = [0.1, 0.2].map((memory) => ({
    options: [
      { id: 'large', score: 0, costs: { memory } },
      { id: 'small', score: 1, costs: { memory: 0 } },
    ],
  }))
  const { solutions } = await solveHere({ layers, limits: [{ cost: 'memory', max: 0.3 }] })
  expect(solutions[0]!.choice).toEqual(['large', 'large'])
})

test('a selection that exceeds a limit by less than the engines notice is rejected', async () => {
  const layers = Array.from({ length: 4 }, () => ({
    options: [
      { id: 'large', score: 0, costs: { memory: 1 + 1e-11 } },
      { id: 'small', score: 1, costs: { memory: 0.5 } },
    ],
  }))
  const { status, solutions } = await solveHere({ layers, limits: [{ cost: 'memory', max: 4 }] })
  expect(status).toBe('optimal')
  expect(solutions[0]).toMatchObject({ objective: 1 })
})

test('without limits each layer takes its best option', async () => {
  const layers = [3, 1, 2].map((worst) => ({
    options: [
      { id: 'a', score: worst, costs: {} },
      { id: 'b', score: 0.5, costs: {} },
    ],
  }))
  const { status, solutions } = await solveHere({ layers })
  expect(status).toBe('optimal')
  expect(solutions[0]).toMatchObject({ choice: ['b', 'b', 'b'], objective: 1.5, bound: 1.5, gap: 0, costs: {} })
})

test('the same problem gives the same result', async () => {
  const problem = { ...searchProblem(12, 12, 0.6), solutions: 3 }
  const strip = (result: Awaited<ReturnType<typeof solveHere>>) => ({
    ...result,
    seconds: 0,
    solutions: result.solutions.map((solution) => ({ ...solution, seconds: 0 })),
  })
  expect(strip(await solveHere(problem))).toEqual(strip(await solveHere(problem)))
})
