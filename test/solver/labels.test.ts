import { expect, test } from 'vitest'
import { openEngines } from '../../solver/engines.js'
import { solveCore } from '../../solver/core.js'
import { toInstance } from '../../solver/instance.js'
import { compileProblem, type Problem } from '../../solver/problem.js'
import { holdsLimits, indices, searchProblem } from './problems.js'
import { solveHere } from '../../solver/solve-here.js'
import { uniform } from '../../solver/random.js'

/** Asks some of the engines alone. */
const answer = (problem: Problem, ...names: readonly string[]) => {
  const compiled = compileProblem(problem)
  return solveCore({
    instance: toInstance(compiled),
    cuts: [],
    gap: compiled.gap,
    deadline: performance.now() + 120_000,
    engines: openEngines().all.filter(({ name }) => names.includes(name)),
  })
}

test.each([1, 2, 3])('labels prove what a MIP solver proves, without it: seed %i', async (seed) => {
  const problem = searchProblem(20, 12, 0.5, seed)
  const [labels, glpk] = [await answer(problem, 'labels'), await answer(problem, 'glpk', 'highs')]
  if (labels.kind !== 'solved' || glpk.kind !== 'solved') throw new Error('not solved')
  expect(labels).toMatchObject({ proved: true, prover: 'labels' })
  expect(glpk.proved).toBe(true)
  expect(labels.objective).toBeGreaterThanOrEqual(glpk.bound * (1 - 1e-6))
  expect(glpk.objective).toBeGreaterThanOrEqual(labels.bound * (1 - 1e-6))
})

test('a problem of 80 layers with 54 options and 2 limits is proven by labels', async () => {
  const problem = searchProblem(80, 54, 0.55)
  const { status, solutions } = await solveHere(problem)
  expect(status).toBe('optimal')
  expect(solutions[0]!.gap).toBeLessThanOrEqual(1e-4)
  expect(holdsLimits(problem, indices(problem, solutions[0]!.choice))).toBe(true)
})

test('labels prove the best of many equal sums, which branch and bound cannot tell apart', async () => {
  const next = uniform(5)
  const costs = Array.from({ length: 15 }, (_, j) => ({ a: 15 - j, b: 1 + ((j * 7) % 15), c: 1 + ((j * 4) % 15) }))
  const layers = Array.from({ length: 60 }, () => {
    const sensitivity = 0.5 + next()
    return { options: costs.map((cost, j) => ({ id: `${j}`, score: sensitivity * (j + 2 * next()), costs: cost })) }
  })
  const limits = ['a', 'b', 'c'].map((cost) => ({ cost, max: 6.88 * 60 }))
  expect(await answer({ layers, limits, gap: 1e-3 }, 'labels')).toMatchObject({
    kind: 'solved',
    proved: true,
    prover: 'labels',
  })
})
