import { expect, test } from 'vitest'
import { searchInContext } from '../../puzzle/search-in-context.js'
import { meets, scoreOf, type Selection } from '../../puzzle/selection.js'
import { solveHere } from '../../solver/solve-here.js'
import type { Problem } from '../../solver/index.js'
import { uniform } from '../../tensor/random.js'

const names = ['whole', 'half', 'none'] as const
const size = { whole: 2, half: 1, none: 0 }

/** Six layers of which half the size must go. */
function problemOf(seed: number): Problem {
  const random = uniform(seed)
  const layers = Array.from({ length: 6 }, () => {
    const weight = 0.1 + random()
    return {
      options: names.map((id) => ({ id, score: weight * [0, 0.3, 1][names.indexOf(id)]!, costs: { size: size[id] } })),
    }
  })
  return { layers, limits: [{ cost: 'size', max: 6 }], solutions: 2, minimumDifference: 0.3 }
}

/** What selections truly lose: their scores, and much more where neighbours lose something both. */
function truth(problem: Problem) {
  return (choice: Selection): number =>
    choice.reduce(
      (sum, id, i) => sum + (i > 0 && id !== 'whole' && choice[i - 1] !== 'whole' ? 0.8 : 0),
      scoreOf(problem, choice),
    )
}

/** The least that a selection within the limits loses, by trying all. */
function least(problem: Problem): number {
  const all = (n: number): string[][] => (n === 0 ? [[]] : all(n - 1).flatMap((own) => names.map((id) => [...own, id])))
  return Math.min(
    ...all(6)
      .filter((choice) => meets(problem, choice))
      .map(truth(problem)),
  )
}

const solved = async (problem: Problem) => (await solveHere(problem)).solutions.map(({ choice }) => choice)

test.each([1, 2])('the search finds the best selection where sums of scores do not (%i)', async (seed) => {
  const problem = problemOf(seed)
  const start = await solved(problem)
  const value = truth(problem)
  const { measured } = await searchInContext(problem, start, async (choice) => value(choice), {
    evaluations: 80,
    seed: 1,
  })
  expect(measured[0]!.value).toBeCloseTo(least(problem), 9)
  expect(measured[0]!.value).toBeLessThan(value(start[0]!))
})

test('what it finds meets the limits, the best first', async () => {
  const problem = problemOf(7)
  const value = truth(problem)
  const { measured } = await searchInContext(problem, await solved(problem), async (choice) => value(choice), {
    evaluations: 30,
    seed: 1,
  })
  for (const [i, own] of measured.entries()) {
    expect(own.choice.reduce((sum, id) => sum + size[id as keyof typeof size], 0)).toBeLessThanOrEqual(6)
    expect(own.value).toBe(value(own.choice))
    expect(own.value).toBeGreaterThanOrEqual(measured[Math.max(0, i - 1)]!.value)
  }
})

test('it measures no selection twice, and no more than it may', async () => {
  const problem = problemOf(3)
  const value = truth(problem)
  const start = await solved(problem)
  const asked: string[] = []
  const { evaluations } = await searchInContext(
    problem,
    start,
    async (choice) => {
      asked.push(choice.join())
      return value(choice)
    },
    { evaluations: 25, seed: 1 },
  )
  expect(new Set(asked).size).toBe(asked.length)
  expect(asked.length).toBe(start.length + evaluations)
  expect(evaluations).toBeLessThanOrEqual(25)
})

test('a search without a budget measures only where it starts', async () => {
  const problem = problemOf(3)
  const start = await solved(problem)
  const found = await searchInContext(problem, start, async (choice) => truth(problem)(choice), {
    evaluations: 0,
    seed: 1,
  })
  expect(found.evaluations).toBe(0)
  expect(found.measured).toHaveLength(start.length)
})

test('its scores add up to what the best selection loses, and say what single changes of it do', async () => {
  const problem = problemOf(2)
  const value = truth(problem)
  const { measured, problem: scored } = await searchInContext(
    problem,
    await solved(problem),
    async (choice) => value(choice),
    { evaluations: 60, seed: 1 },
  )
  const best = measured[0]!
  expect(scoreOf(scored, best.choice)).toBeCloseTo(best.value, 9)
  const changed = best.choice.flatMap((own, layer) =>
    names.filter((id) => id !== own).map((id) => best.choice.map((other, i) => (i === layer ? id : other))),
  )
  const error = (by: Problem) =>
    changed.reduce((sum, choice) => sum + Math.abs(scoreOf(by, choice) - value(choice)), 0) / changed.length
  expect(error(scored)).toBeLessThan(0.3 * error(problem))
})

test('options of runs of layers and those that require others are chosen as the solver chooses them', async () => {
  const free = { size: 0 }
  const problem: Problem = {
    layers: [
      {
        options: [
          { id: 'whole', score: 0, costs: { size: 2 } },
          { id: 'both', score: 0.3, costs: { size: 1 }, span: 2 },
        ],
      },
      { options: [{ id: 'whole', score: 0, costs: { size: 2 } }] },
      {
        options: [
          { id: 'whole', score: 0, costs: { size: 2 } },
          { id: 'gone', score: 0.4, costs: free, requires: [{ layer: 3, option: 'gone' }] },
        ],
      },
      {
        options: [
          { id: 'whole', score: 0, costs: { size: 2 } },
          { id: 'gone', score: 0.1, costs: free },
        ],
      },
    ],
    limits: [{ cost: 'size', max: 4 }],
  }
  // By scores the run goes with the last layer; in truth layers 2 and 3 had better go.
  const truths: Record<string, number> = { 'both,both,whole,gone': 2, 'whole,whole,gone,gone': 0.5 }
  const start = await solved(problem)
  const { measured } = await searchInContext(problem, start, async (choice) => truths[choice.join()] ?? 3, {
    evaluations: 20,
    seed: 1,
  })
  expect(start[0]).toEqual(['both', 'both', 'whole', 'gone'])
  expect(measured[0]!.choice).toEqual(['whole', 'whole', 'gone', 'gone'])
})
