import { expect, test } from 'vitest'
import { solve, type SolveResult } from '../../solver/index.js'
import { solveHere } from '../../solver/solve-here.js'
import { searchProblem } from './problems.js'

const problem = { ...searchProblem(16, 16, 0.6), solutions: 2 }

const withoutTimes = (result: SolveResult) => ({
  ...result,
  seconds: 0,
  solutions: result.solutions.map((solution) => ({ ...solution, seconds: 0 })),
})

test('solving in a worker thread gives the same result', async () => {
  expect(withoutTimes(await solve(problem))).toEqual(withoutTimes(await solveHere(problem)))
})

test('the caller’s thread stays responsive', async () => {
  let ticks = 0
  // Ticks show that the thread is free: nothing waits for them.
  const timer = setInterval(() => ticks++, 5)
  const { seconds } = await solve(searchProblem(40, 40, 0.6))
  clearInterval(timer)
  // If the search ran in this thread, it would block for most of these seconds.
  expect(ticks).toBeGreaterThan((seconds * 1000) / 5 / 10)
})

test('a thread that is stopped at once reports the time limit, not infeasibility', async () => {
  // More than a thread that already runs can do before it is stopped.
  const long = { ...searchProblem(60, 40, 0.55), solutions: 50 }
  const { status, solutions, pool, infeasible } = await solve(long, { stopAfterSeconds: 0 })
  expect({ status, solutions, infeasible }).toEqual({ status: 'time-limit', solutions: [], infeasible: undefined })
  expect(pool.status).toBe('time-limit')
})

test('solutions are reported as they are found, and an abort rejects with its reason', async () => {
  const partial: SolveResult[] = []
  const controller = new AbortController()
  const many = { ...searchProblem(60, 40, 0.55), solutions: 50, timeLimitSeconds: 600 }
  const reason = new Error('enough')
  const call = solve(many, {
    signal: controller.signal,
    onPartial: (result) => {
      partial.push(result)
      if (result.solutions.length === 2) controller.abort(reason)
    },
  })
  await expect(call).rejects.toBe(reason)
  // First the result of the simple methods, then the best solution, then the pool.
  expect(partial.map(({ solutions }) => solutions.length)).toEqual([1, 1, 1, 2])
  expect(partial[0]!.solutions[0]).toMatchObject({ status: 'feasible', engine: 'greedy' })
  expect(partial[2]!.status).toBe('optimal')
  expect(partial[2]!.solutions[0]!.objective).toBeLessThan(partial[0]!.solutions[0]!.objective)
})

test('a stopped thread returns the last result that it reported', async () => {
  const many = { ...searchProblem(60, 40, 0.55), solutions: 1000, minimumDifference: 0, timeLimitSeconds: 600 }
  let last: SolveResult | undefined
  const result = await solve(many, { stopAfterSeconds: 4, onPartial: (partial) => (last = partial) })
  expect(result.solutions.length).toBeGreaterThan(0)
  expect(result.pool.status).toBe('time-limit')
  expect({ ...result, seconds: 0 }).toEqual({ ...last, seconds: 0 })
})

test('an aborted signal rejects before a thread starts', async () => {
  await expect(solve(problem, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
})

test('a result survives a round trip through JSON', async () => {
  const result = await solve(problem)
  expect(JSON.parse(JSON.stringify(result))).toEqual(result)
})
