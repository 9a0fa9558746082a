import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readProblem } from '../../solver/read-problem.js'
import { solveHere } from '../../solver/solve-here.js'
import { apart, covers, holds, linkedProblem, read } from './covers.js'

const option = (id: string, score: number, memory: number, more: object = {}) => ({
  id,
  score,
  costs: { memory },
  ...more,
})

test('with runs and requirements the objective is that of the best cover, and infeasible means that no cover exists', async () => {
  await fc.assert(
    fc.asyncProperty(linkedProblem, async (problem) => {
      expect(readProblem(problem)).toBe(problem)
      const [best] = covers(problem)
      const { status, solutions, infeasible, secondOpinion } = await solveHere(problem)
      if (!best) {
        expect(status).toBe('infeasible')
        expect(infeasible!.message).not.toBe('')
        return
      }
      expect(status).toBe('optimal')
      const cover = read(problem, solutions[0]!.choice)
      expect(holds(problem, cover.parts)).toBe(true)
      expect(solutions[0]!.objective).toBeCloseTo(cover.objective, 12)
      for (const cost of ['memory', 'runtime'])
        expect(solutions[0]!.costs[cost]).toBeCloseTo(
          cover.parts.reduce((sum, { option: { costs } }) => sum + costs[cost]!, 0),
          9,
        )
      expect(cover.objective - best.objective).toBeLessThanOrEqual(5e-6 * problem.layers.length)
      expect(solutions[0]!.bound).toBeLessThanOrEqual(best.objective + 1e-9)
      expect(['agrees', 'none']).toContain(secondOpinion.verdict)
    }),
    { seed: 20260201, numRuns: 300 },
  )
})

test('each solution of a pool with runs is the best that differs in enough layers', async () => {
  const wanted = fc.record({ problem: linkedProblem, minimumDifference: fc.constantFrom(0, 0.4, 1) })
  await fc.assert(
    fc.asyncProperty(wanted, async ({ problem, minimumDifference }) => {
      const all = covers(problem)
      fc.pre(all.length > 0)
      const { layers } = problem
      const { solutions, pool } = await solveHere({ ...problem, solutions: 3, minimumDifference })
      const chosen = solutions.map(({ choice }) => read(problem, choice))
      const differs = (one: (typeof all)[number], others: typeof chosen) =>
        others.every((other) => apart(one, other, layers.length) >= pool.differentLayers)
      for (const [n, cover] of chosen.entries()) {
        expect(holds(problem, cover.parts)).toBe(true)
        expect(differs(cover, chosen.slice(0, n))).toBe(true)
        const best = all.find((one) => differs(one, chosen.slice(0, n)))!
        expect(Math.abs(cover.objective - best.objective)).toBeLessThanOrEqual(1e-5 * layers.length)
      }
      if (chosen.length < 3) expect(all.find((one) => differs(one, chosen))).toBeUndefined()
    }),
    { seed: 20260202, numRuns: 100 },
  )
})

test('baselines respect runs, requirements and limits, and do not beat the optimum', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(linkedProblem, async (problem) => {
      const [best] = covers(problem)
      const { baselines } = await solveHere(problem)
      for (const [name, baseline] of Object.entries(baselines)) {
        if (!baseline.feasible) continue
        seen.add(name)
        const cover = read(problem, baseline.choice)
        expect(holds(problem, cover.parts)).toBe(true)
        expect(baseline.objective).toBeCloseTo(cover.objective, 12)
        expect(baseline.objective).toBeGreaterThanOrEqual(best!.objective - 1e-9)
      }
    }),
    { seed: 20260203, numRuns: 100 },
  )
  expect([...seen].sort()).toEqual(['greedy', 'homogeneous', 'marginal-greedy', 'random'])
})

test('the reported minimum of a limit counts each run once', async () => {
  await fc.assert(
    fc.asyncProperty(linkedProblem, async (problem) => {
      fc.pre(covers(problem).length === 0 && covers({ ...problem, limits: [] }).length > 0)
      const { infeasible } = await solveHere(problem)
      expect(infeasible!.limits.length).toBeGreaterThan(0)
      for (const { cost, minimum, holding } of infeasible!.limits) {
        const others = problem.limits!.filter((limit) => holding.includes(limit.cost))
        const uses = covers({ ...problem, limits: others }).map(({ parts }) =>
          parts.reduce((sum, { option: { costs } }) => sum + costs[cost]!, 0),
        )
        expect(Math.abs(minimum - Math.min(...uses))).toBeLessThanOrEqual(5e-6 * Math.max(1, Math.min(...uses)))
      }
    }),
    { seed: 20260204, numRuns: 25 },
  )
})

test('the id of a run appears at all of its layers', async () => {
  const layers = [0, 1, 2].map((i) => ({
    options: [option('parent', 0, 10), ...(i < 2 ? [option('merge', 1, 8, { span: 2 })] : [])],
  }))
  const { solutions } = await solveHere({ layers, limits: [{ cost: 'memory', max: 20 }] })
  expect(solutions[0]).toMatchObject({ objective: 1, costs: { memory: 18 } })
  expect([
    ['merge', 'merge', 'parent'],
    ['parent', 'merge', 'merge'],
  ]).toContainEqual(solutions[0]!.choice)
})

test('a cheap option is not chosen without the one that it requires', async () => {
  const layers = [
    { options: [option('parent', 0, 10), option('gone', 5, 0)] },
    { options: [option('parent', 0, 10), option('gone', 0.1, 0, { requires: [{ layer: 0, option: 'gone' }] })] },
  ]
  const { solutions, baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: 10 }] })
  expect(solutions[0]).toMatchObject({ choice: ['gone', 'parent'], objective: 5 })
  const tighter = await solveHere({ layers, limits: [{ cost: 'memory', max: 5 }] })
  expect(tighter.solutions[0]).toMatchObject({ choice: ['gone', 'gone'], objective: 5.1 })
  expect(baselines['marginal-greedy']).toMatchObject({ feasible: true, objective: 5 })
})

test('homogeneous lays runs end to end', async () => {
  const layers = [0, 1, 2, 3].map((i) => ({
    options: [option('parent', 0, 10), ...(i < 3 ? [option('merge', 1, 8, { span: 2 })] : [])],
  }))
  const { baselines } = await solveHere({ layers, limits: [{ cost: 'memory', max: 20 }] })
  expect(baselines.homogeneous).toMatchObject({ feasible: true, objective: 2, choice: Array(4).fill('merge') })
})

test('contradictory requirements are blamed instead of the limits', async () => {
  const layers = [
    { options: [option('a', 0, 1, { requires: [{ layer: 1, option: 'b' }] })] },
    { options: [option('a', 0, 1), option('b', 0, 1, { requires: [{ layer: 2, option: 'b' }] })] },
    { options: [option('a', 0, 1), option('b', 0, 1, { requires: [{ layer: 1, option: 'a' }] })] },
  ]
  const { status, infeasible } = await solveHere({ layers, limits: [{ cost: 'memory', max: 9 }] })
  expect(status).toBe('infeasible')
  expect(infeasible).toEqual({
    limits: [],
    message: 'The requirements between options contradict each other, whatever the limits.',
  })
})

test('a problem of 40 layers with runs of 2 and 3 is solved to proven optimality in time', async () => {
  const layers = Array.from({ length: 40 }, (_, i) => ({
    options: [
      ...Array.from({ length: 12 }, (_, j) =>
        option(`variant-${j}`, j * j * 1e-3 * (1 + ((i * 7) % 5)), 100 - 8 * j + ((i * j) % 3)),
      ),
      ...[2, 3]
        .filter((span) => i + span <= 40)
        .map((span) => option(`run-${span}`, span * 0.05, 60 * span - 30, { span })),
    ],
  }))
  const { solutions, status } = await solveHere({ layers, limits: [{ cost: 'memory', max: 2200 }] })
  expect(status).toBe('optimal')
  expect(solutions[0]!.gap).toBeLessThanOrEqual(1e-4)
  expect(solutions[0]!.choice.some((id) => id.startsWith('run-'))).toBe(true)
})
