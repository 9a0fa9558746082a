import { describe, expect, test } from 'vitest'
import type { Limit } from '../../puzzle/limit.js'
import { layerOptions, makeProblem, toSolution, type ProblemParts } from '../../puzzle/selection-problem.js'
import { openTiny } from '../model/tiny.js'
import { costTable, fakeLibrary, fakeSpace, scoreRow, scoreRows } from '../stages/fakes.js'

const library = new Map(fakeLibrary(await openTiny(), fakeSpace).map((entry) => [entry.id, entry]))
const parts: ProblemParts = {
  rows: scoreRows,
  composition: 'sum',
  library,
  table: costTable,
  scenario: costTable.scenario,
  limits: [],
  parent: Array(3).fill({ attention: 'parent', ffn: 'parent' }) as ProblemParts['parent'],
}
const options = (own: Partial<ProblemParts> = {}, layer = 2) =>
  new Map(layerOptions({ ...parts, ...own })[layer]!.map((option) => [option.id, option]))
const rounded = (value: number) => Number(value.toFixed(12))

test('a layer may become every pair of variants, scored exactly where the pair was and else by its slots', () => {
  expect(Object.fromEntries([...options()].map(([id, { score }]) => [id, rounded(score)]))).toEqual({
    'parent+parent': 0,
    'parent+swiglu-16': 0.03,
    'parent+no-op': 0.07,
    'linear+parent': 0.04,
    'linear+swiglu-16': 0.07,
    'linear+no-op': 0.06,
    'no-op+parent': 0.1,
    'no-op+swiglu-16': 0.09,
    'no-op+no-op': 0.3,
  })
})

test('scores of slots add up by their squares where the composition says so', () => {
  const found = options({ composition: 'rss' })
  expect(found.get('linear+swiglu-16')!.score).toBeCloseTo(0.05, 12)
  expect(found.get('linear+parent')!.score).toBe(0.04)
  expect(found.get('linear+no-op')!.score).toBe(0.06)
})

test('a pair that was scored together is made of the entries that were scored', () => {
  const found = options()
  expect(found.get('linear+no-op')!.entries).toEqual({
    attention: 'layer02/attention/linear+no-op',
    ffn: 'layer02/ffn/no-op',
  })
  expect(found.get('linear+swiglu-16')!.entries).toEqual({
    attention: 'layer02/attention/linear',
    ffn: 'layer02/ffn/swiglu-16',
  })
  const pair = scoreRow(2, 'block', 'linear', 'swiglu-16', 0.01, { attention: 'swiglu-16', ffn: 'linear' })
  expect(options({ rows: [...scoreRows, pair] }).get('linear+swiglu-16')).toMatchObject({
    score: 0.01,
    entries: { attention: 'layer02/attention/linear+swiglu-16', ffn: 'layer02/ffn/swiglu-16+linear' },
  })
  expect(options({ rows: [...scoreRows, pair] }, 1).get('linear+swiglu-16')!.score).toBeCloseTo(0.14, 12)
})

test('an option costs what its two slots cost', () => {
  expect(options().get('parent+swiglu-16')!.costs).toEqual({ runtime: 4, memory: 38, parameters: 380 })
  expect(options().get('no-op+no-op')!.costs).toEqual({ runtime: 0, memory: 0, parameters: 0 })
})

test('a variant that was not scored at a layer is no option there', () => {
  const rows = scoreRows.filter(
    ({ layer, slot, attention }) => layer !== 2 || slot !== 'attention' || attention !== 'linear',
  )
  expect([...options({ rows }).keys()].filter((id) => id.startsWith('linear'))).toEqual(['linear+no-op'])
  expect([...options({ rows }, 1).keys()]).toHaveLength(9)
})

const pool = { solutions: 1, minimumDifference: 0.2, gap: 1e-4, seed: 1 }
const limit = (name: Limit['name'], bound: Limit['bound'], value: number, unit: string): Limit => ({
  name,
  bound,
  value,
  unit,
})
test.each<[Limit, string, number]>([
  // 2 x 4 tokens; the floor takes 1 second, 100 bytes, 10 parameters, the parent 16 seconds, 250 bytes, 1510 parameters.
  [limit('throughput', 'min', 1, 'tokens/s'), 'runtime', 8 / 1 - 1],
  [limit('throughput', 'min', 2, 'parent'), 'runtime', 16 / 2 - 1],
  [limit('latency', 'max', 9, 'seconds'), 'runtime', 9 - 1],
  [limit('latency', 'max', 0.5, 'parent'), 'runtime', 16 / 2 - 1],
  // A quarter of the time is prefill.
  [limit('prefill', 'max', 2, 'seconds'), 'prefill', 2 - 1 / 4],
  [limit('prefill', 'max', 0.5, 'parent'), 'prefill', 4 / 2 - 1 / 4],
  [limit('tokenLatency', 'max', 1, 'seconds'), 'decoding', 4 - 3 / 4],
  [limit('tokenLatency', 'max', 0.5, 'parent'), 'decoding', 12 / 2 - 3 / 4],
  [limit('memory', 'max', 180, 'bytes'), 'memory', 180 - 100],
  [limit('memory', 'max', 0.6, 'parent'), 'memory', 0.6 * 250 - 100],
  [limit('parameters', 'max', 700, 'parameters'), 'parameters', 700 - 10],
  [limit('parameters', 'max', 0.5, 'parent'), 'parameters', 0.5 * 1510 - 10],
])('a limit bounds what the slots use together: %j', (own, cost, max) => {
  expect(makeProblem({ ...parts, limits: [own] }, pool).limits).toEqual([
    { cost, max: expect.closeTo(max, 9) as number },
  ])
})

test('a correction aims at more than the limit', () => {
  const limits = [limit('throughput', 'min', 1, 'tokens/s'), limit('latency', 'max', 8, 'seconds')]
  const found = makeProblem({ ...parts, limits }, pool, { throughput: 1.25, latency: 0.5 }).limits!
  expect(found.map(({ max }) => max)).toEqual([8 / 1.25 - 1, 4 - 1])
})

test('a solution tells entries and the costs of the whole model', () => {
  const found = toSolution(parts, ['parent+parent', 'linear+no-op', 'no-op+no-op'], 0.5)
  expect(found).toEqual({
    choice: [
      { attention: 'layer00/attention/parent', ffn: 'layer00/ffn/parent' },
      { attention: 'layer01/attention/linear+no-op', ffn: 'layer01/ffn/no-op' },
      { attention: 'layer02/attention/no-op', ffn: 'layer02/ffn/no-op' },
    ],
    objective: 0.5,
    predicted: { runtime: 1 + 5 + 1, throughput: 8 / 7, memoryBytes: 100 + 50 + 10, parameters: 10 + 500 + 50 },
  })
})

/** The removal of a whole layer, as `score` tells of it. */
const removal = (layer: number, kl: number) => ({
  ...scoreRow(layer, 'block', 'no-op', 'no-op', kl),
  run: 'drop-1',
  span: 1,
})
const order = [
  { layer: 1, cumulative: 0.1, alone: 0.1 },
  { layer: 2, cumulative: 0.3, alone: 0.25 },
]

test('a removal that needs one which was left out of the scores is left out too', () => {
  expect(
    options({ rows: [...scoreRows, removal(1, 0.1), removal(2, 0.25)], depth: order }).get('drop-1'),
  ).toMatchObject({
    score: expect.closeTo(0.2, 9) as number,
    requires: [{ layer: 1, option: 'drop-1' }],
  })
  expect(options({ rows: [...scoreRows, removal(2, 0.25)], depth: order }).has('drop-1')).toBe(false)
})

test('a layer that the parent has not any more stays an option where removals are measured', () => {
  const parent = [parts.parent[0]!, parts.parent[1]!, { attention: 'no-op', ffn: 'no-op' }]
  expect(options({ rows: [], parent, depth: order }).get('no-op+no-op')!.score).toBe(0)
})

describe('removals', () => {
  const two = { ...removal(0, 0.4), run: 'drop-2', span: 2 }
  const rows = [...scoreRows, removal(1, 0.1), removal(2, 0.25), two]
  const solution = (ids: readonly string[], depth?: typeof order) =>
    toSolution({ ...parts, rows, ...(depth && { depth }) }, ids, 0.5)

  test('runs of a solution are told with their layers', () => {
    const { runs, choice } = solution(['drop-2', 'drop-2', 'parent+parent'])
    expect(runs).toEqual([{ layer: 0, span: 2, run: 'drop-2' }])
    expect(choice[1]).toEqual({ attention: 'layer01/attention/no-op', ffn: 'layer01/ffn/no-op' })
  })

  test('several that were measured together are no sum', () => {
    const { runs, addedUp } = solution(['parent+parent', 'drop-1', 'drop-1'], order)
    expect(runs).toHaveLength(2)
    expect(addedUp).toBeUndefined()
  })

  test('one alone is no sum', () => {
    expect(solution(['drop-2', 'drop-2', 'linear+no-op'])).not.toHaveProperty('addedUp')
  })

  test('several of which one was measured alone are told as a sum, by whatever way the layers go', () => {
    const both = [
      { layer: 0, span: 2, run: 'drop-2' },
      { layer: 2, span: 1, run: 'drop-1' },
    ]
    // Without the stage `depth`, single layers are measured alone as well.
    expect(solution(['drop-2', 'drop-2', 'drop-1']).addedUp).toEqual(both)
    const slots = solution(['parent+parent', 'no-op+no-op', 'drop-1'])
    expect(slots.addedUp).toEqual([{ layer: 1, span: 1, run: 'no-op+no-op' }, both[1]])
    expect(slots.runs).toEqual([both[1]])
  })

  test('a layer that the parent has not any more is no removal', () => {
    const parent = [parts.parent[0]!, parts.parent[1]!, { attention: 'no-op', ffn: 'no-op' }]
    const found = toSolution({ ...parts, rows, parent }, ['drop-2', 'drop-2', 'no-op+no-op'], 0.5)
    expect(found).not.toHaveProperty('addedUp')
  })
})
