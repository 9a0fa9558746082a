import { expect, test } from 'vitest'
import { solve, type SolveResult } from '../../solver/index.js'
import { solveHere } from '../../solver/solve-here.js'
import { endThread, giveBack, takeThread } from '../../solver/thread.js'
import { searchProblem } from './problems.js'

const [first, second] = [searchProblem(16, 16, 0.6), { ...searchProblem(12, 12, 0.5, 2), solutions: 2 }]

const withoutTimes = (result: SolveResult) => ({
  ...result,
  seconds: 0,
  solutions: result.solutions.map((solution) => ({ ...solution, seconds: 0 })),
})

test('a thread that has solved other problems gives the same results', async () => {
  const expected = [withoutTimes(await solveHere(first)), withoutTimes(await solveHere(second))]
  for (const [n, problem] of [first, second, first, second].entries())
    expect(withoutTimes(await solve(problem))).toEqual(expected[n % 2])
})

test('problems solved at once do not share a thread', async () => {
  const results = await Promise.all([first, second, first].map((problem) => solve(problem)))
  expect(withoutTimes(results[0]!)).toEqual(withoutTimes(results[2]!))
  expect(results.map(({ status }) => status)).toEqual(['optimal', 'optimal', 'optimal'])
})

test('the next problem is solved after one was stopped, aborted or invalid', async () => {
  const expected = withoutTimes(await solveHere(first))
  await solve(second, { stopAfterSeconds: 0 })
  expect(withoutTimes(await solve(first))).toEqual(expected)
  const controller = new AbortController()
  const aborted = solve(second, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
  expect(withoutTimes(await solve(first))).toEqual(expected)
  await expect(solve({ layers: [] })).rejects.toThrow('The problem is invalid.')
  expect(withoutTimes(await solve(first))).toEqual(expected)
})

test('the idle thread is taken again, and only one is kept', () => {
  const [a, b] = [takeThread()!, takeThread()!]
  expect(b).not.toBe(a)
  giveBack(a)
  giveBack(b)
  expect(takeThread()).toBe(a)
  const another = takeThread()!
  expect(another).not.toBe(b)
  endThread(a)
  endThread(another)
})
