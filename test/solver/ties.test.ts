import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reduce } from '../../solver/reduce.js'
import { toInstance } from '../../solver/instance.js'
import { compileProblem, type Option, type Problem } from '../../solver/problem.js'
import { uniform } from '../../solver/random.js'
import { solveHere } from '../../solver/solve-here.js'
import { holdsLimits, indices } from './problems.js'

/** The lowest sum of scores for each sum of two whole-number costs, by dynamic programming. Undefined if no sum meets the limits. */
function exactOptimum({ layers, limits = [] }: Problem): number | undefined {
  const [a, b] = limits.map(({ max }) => Math.floor(max)) as [number, number]
  if (a < 0 || b < 0) return undefined
  let best = new Float64Array((a + 1) * (b + 1)).fill(Infinity)
  best[0] = 0
  for (const { options } of layers) {
    const next = new Float64Array(best.length).fill(Infinity)
    for (let x = 0; x <= a; x++)
      for (let y = 0; y <= b; y++)
        for (const { score, costs } of options) {
          const [from, other] = [x - costs['memory']!, y - costs['runtime']!]
          if (from < 0 || other < 0) continue
          const at = x * (b + 1) + y
          next[at] = Math.min(next[at]!, best[from * (b + 1) + other]! + score)
        }
    best = next
  }
  const least = best.reduce((p, q) => Math.min(p, q))
  return Number.isFinite(least) ? least : undefined
}

/** 6 to 16 layers of whole-number costs, where scores are equal, zero or negative and options occur twice. */
const tiedProblem: fc.Arbitrary<Problem> = fc
  .record({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    layers: fc.integer({ min: 6, max: 16 }),
    options: fc.integer({ min: 2, max: 8 }),
    scores: fc.constantFrom('zero', 'few', 'negative', 'any', 'the same in all layers'),
    tightness: fc.double({ min: -0.05, max: 0.8, noNaN: true }),
  })
  .map(({ seed, layers, options, scores, tightness }) => {
    const next = uniform(seed)
    const score = () => {
      if (scores === 'zero') return 0
      if (scores === 'few') return Math.floor(next() * 3)
      return scores === 'negative' ? next() - 0.7 : next()
    }
    const cost = () => Math.floor(next() * 6)
    const costs = Array.from({ length: options }, () => ({ memory: cost(), runtime: cost() }))
    const same = costs.map(score)
    const built = Array.from({ length: layers }, () => {
      const list = costs.map((use, j) => ({
        id: `${j}`,
        score: scores === 'the same in all layers' ? same[j]! : score(),
        costs: use,
      }))
      return { options: [...list, { ...list[0]!, id: 'again' }] }
    })
    const limit = (name: 'memory' | 'runtime') => {
      const of = (pick: (...values: number[]) => number) => layers * pick(...costs.map((use) => use[name]))
      return { cost: name, max: Math.floor(of(Math.min) + tightness * (of(Math.max) - of(Math.min))) }
    }
    return { layers: built, limits: [limit('memory'), limit('runtime')], gap: 1e-6 }
  })

test('with equal costs, equal options, and scores that are equal, zero or negative, the optimum is that of dynamic programming', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(tiedProblem, async (problem) => {
      const least = exactOptimum(problem)
      const { status, solutions, secondOpinion } = await solveHere(problem)
      seen.add(status)
      expect(status).toBe(least === undefined ? 'infeasible' : 'optimal')
      if (least === undefined) return
      const [solution] = solutions
      expect(holdsLimits(problem, indices(problem, solution!.choice))).toBe(true)
      const size = problem.layers.reduce(
        (sum, { options }) => sum + Math.max(...options.map(({ score }) => Math.abs(score))),
        0,
      )
      expect(solution!.objective).toBeGreaterThanOrEqual(least - 1e-9 * size)
      expect(solution!.objective - least).toBeLessThanOrEqual(2e-6 * size)
      expect(solution!.bound).toBeLessThanOrEqual(least + 1e-9 * size)
      expect(['agrees', 'none']).toContain(secondOpinion.verdict)
    }),
    { seed: 20260303, numRuns: 150 },
  )
  expect([...seen].sort()).toEqual(['infeasible', 'optimal'])
})

/** Ids of the options that are left in the first layer. */
function left(options: readonly Option[], others: Problem['layers'] = []): string[] {
  const problem = compileProblem({ layers: [{ options }, ...others], limits: [{ cost: 'memory', max: 10 }] })
  const kept = reduce(toInstance(problem), [])
  return options.filter((_, k) => kept[k]).map(({ id }) => id)
}

const option = (id: string, score: number, memory: number, more: Partial<Option> = {}): Option => ({
  id,
  score,
  costs: { memory },
  ...more,
})

test('of options with equal scores and costs the first is left', () => {
  expect(left([option('a', 1, 2), option('b', 1, 2), option('c', 1, 2)])).toEqual(['a'])
})

test('a negative score dominates a zero at equal costs, and neither dominates what costs less', () => {
  expect(left([option('zero', 0, 2), option('negative', -1e-9, 2), option('small', 0.5, 1)])).toEqual([
    'negative',
    'small',
  ])
})

test('an option is left if the one that dominates it needs others, or if others need it', () => {
  const free = { options: [option('x', 0, 1), option('y', 0, 1)] }
  const needy = option('needy', 0, 1, { requires: [{ layer: 1, option: 'y' }] })
  expect(left([needy, option('plain', 1, 1)], [free])).toEqual(['needy', 'plain'])
  const needing = { options: [option('x', 0, 1, { requires: [{ layer: 0, option: 'needed' }] }), option('y', 0, 1)] }
  expect(left([option('better', 0, 1), option('needed', 1, 1)], [needing])).toEqual(['better', 'needed'])
})

test('a run is left though an option of its first layer has a lower score and costs less', () => {
  const run = option('run', 1, 2, { span: 2 })
  expect(left([option('one', 0, 1), run], [{ options: [option('one', 0, 1)] }])).toEqual(['one', 'run'])
})
