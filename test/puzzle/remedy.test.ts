import { expect, test } from 'vitest'
import type { Evaluation, Predicted } from '../../puzzle/evaluation.js'
import type { Target } from '../../puzzle/inputs.js'
import { limitsOf } from '../../puzzle/scenarios.js'
import { remedyFor, stillFalls } from '../../puzzle/remedy.js'
import { makeProblem, toSolution, type ProblemParts, type Solution } from '../../puzzle/selection-problem.js'
import { solve } from '../../solver/index.js'
import { costTable, fakeLibrary, fakeSpace, passes, scoreRows, timesAt } from '../stages/fakes.js'
import { openTiny } from '../model/tiny.js'

const model = await openTiny()
const { scenario } = costTable
const target: Target = {
  scenario,
  limits: { throughput: { bound: 'min', value: 1.2, unit: 'parent' } },
  quality: { value: 0.9 },
}
const parts: ProblemParts = {
  rows: scoreRows,
  composition: 'sum',
  library: new Map(fakeLibrary(model, fakeSpace).map((entry) => [entry.id, entry])),
  table: costTable,
  scenario,
  limits: limitsOf(target),
  parent: Array<{ attention: string; ffn: string }>(3).fill({ attention: 'parent', ffn: 'parent' }),
}
/** The best solution at this multiple of the limit. */
async function solutionAt(throughput: number): Promise<Solution> {
  const problem = makeProblem(parts, { solutions: 1, minimumDifference: 0, gap: 0, seed: 1 }, { throughput })
  const [best] = (await solve(problem)).solutions
  return toSolution(parts, best!.choice, best!.objective)
}
const first = await solutionAt(1)

/** Throughput and accuracy of a child, as shares of the parent's. */
function evaluation(speed: number, accuracy: number | null, kl = 0.1): Evaluation {
  const of = (throughput: Predicted['throughput'], accuracy: number | null): Predicted => ({
    kl,
    perplexity: 2,
    accuracy,
    tasks: {},
    throughput,
    ...timesAt(scenario, throughput),
    memoryBytes: 1,
    parameters: 1,
  })
  return {
    parent: of({ predicted: 0.5, measured: 0.5 }, accuracy === null ? null : 1),
    child: of({ predicted: 0.6, measured: 0.5 * speed }, accuracy),
    ratios: { throughput: speed, prefill: 1 / speed, tokenLatency: 1 / speed, accuracy, memory: 1, parameters: 1 },
    timing: passes(scenario, { parent: 0.5, child: 0.5 * speed }),
  }
}
const curve = (...kls: number[]) => kls.map((kl, step) => ({ step, loss: kl, kl }))
const falling = curve(8, 4, 2, 1)
const flat = curve(8, 1, 0.5, 0.499)
const more = { parts, target, measured: [], seed: 1 }

test('a training falls still while its last quarter is clearly below the one before', () => {
  expect([falling, flat].map(stillFalls)).toEqual([true, false])
  expect(stillFalls(curve(9, 9, 4, 4, 2, 2, 1.9, 1.9))).toBe(true)
  expect(stillFalls(curve(9, 9, 4, 4, 1.9, 1.9, 1.9, 1.9))).toBe(false)
  expect(stillFalls(curve(1, 2))).toBe(true)
})

test('a child whose quality is short is trained on while its KL still falls', async () => {
  const tried = [{ solution: first, evaluation: evaluation(1.3, 0.85), curve: falling }]
  expect(await remedyFor(tried, more)).toEqual({ action: 'train on', solution: first })
})

test('when its KL no longer falls, the best other solution that holds the limits is trained', async () => {
  const [fast, faster, slow] = [await solutionAt(1.3), await solutionAt(1.6), await solutionAt(0.8)]
  const measured = [
    { solution: first, evaluation: evaluation(1.3, 0.5, 0.01) },
    { solution: slow, evaluation: evaluation(1.1, 0.5, 0.02) },
    { solution: faster, evaluation: evaluation(1.8, 0.5, 0.4) },
    { solution: fast, evaluation: evaluation(1.5, 0.5, 0.3) },
  ]
  const tried = [{ solution: first, evaluation: evaluation(1.3, 0.85), curve: flat }]
  expect(await remedyFor(tried, { ...more, measured })).toEqual({ action: 'another child', solution: fast })
})

test('when no measured solution is left, one nearer to the limits is trained, and when there is none, training goes on', async () => {
  const fast = await solutionAt(1.6)
  const tried = [{ solution: fast, evaluation: evaluation(1.9, 0.85), curve: flat }]
  const found = await remedyFor(tried, more)
  expect(found).toMatchObject({ action: 'another child' })
  expect(found!.solution.objective).toBeLessThan(fast.objective)
  const nearest = { solution: found!.solution, evaluation: evaluation(1.3, 0.85), curve: flat }
  expect(await remedyFor([...tried, nearest], more)).toEqual({ action: 'train on', solution: found!.solution })
})

test('a child far beyond the limits and far short of quality is followed by one nearer to them, though its KL still falls', async () => {
  const fast = await solutionAt(1.6)
  const far = { solution: fast, evaluation: evaluation(1.9, 0.7), curve: falling }
  const found = await remedyFor([far], more)
  expect(found).toMatchObject({ action: 'another child' })
  expect(found!.solution.objective).toBeLessThan(fast.objective)
  const nearlyGood = { ...far, evaluation: evaluation(1.9, 0.89) }
  expect(await remedyFor([nearlyGood], more)).toEqual({ action: 'train on', solution: fast })
})

test('when a limit is missed, limits are corrected by all that was measured, and the next solution is trained', async () => {
  // Predicted 1.2 x the parent, measured 0.8: one and a half times too kind.
  const tried = [
    { solution: first, evaluation: evaluation(0.8, 0.95), curve: falling },
    { solution: await solutionAt(1.3), evaluation: evaluation(1.1, 0.95), curve: falling },
  ]
  const found = await remedyFor(tried, more)
  expect(found?.action).toBe('another child')
  expect(found?.solution.predicted.throughput).toBeGreaterThanOrEqual(0.6 * 1.5 * 1.01)
})

test('nothing is left to try when corrected limits cannot be met, or no task can judge quality', async () => {
  const hopeless = [{ solution: first, evaluation: evaluation(0.01, 0.95), curve: falling }]
  expect(await remedyFor(hopeless, more)).toBeUndefined()
  const unjudged = [{ solution: first, evaluation: evaluation(1.3, null), curve: falling }]
  expect(await remedyFor(unjudged, more)).toBeUndefined()
})
