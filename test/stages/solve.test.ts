import { expect, test } from 'vitest'
import type { Problem } from '../../solver/index.js'
import type { JsonObject } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import { FileStore } from '../../store/index.js'
import { openTiny } from '../model/tiny.js'
import { cost, costTable, fakeSpace, giveScores, scoreRows } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const model = await openTiny()
const store = new FileStore(temporaryFolder())

/** A search of 3 layers with made-up scores and costs. */
async function search(
  limits: JsonObject,
  solve: JsonObject = {},
  rows?: readonly ScoreRow[],
  table?: CostTable,
  choices?: readonly JsonObject[],
): Promise<Search> {
  const target = { scenario: { ...costTable.scenario }, limits, ...(choices && { choices: [...choices] }) }
  const spec = tinySpec({ space: fakeSpace, target, stages: { solve: { solutions: 1, ...solve } } })
  const own = await Search.open(world.folder, spec, { store })
  await giveScores(own, model, rows, table)
  return own
}
const outcome = async (own: Search) => own.json<SolveOutcome>((await own.outputs('solve')).files.solutions)
/** Variants of a solution: `linear+no-op` of each layer. */
const chosen = ({ choice }: SolveOutcome['solutions'][number]) =>
  choice.map(({ attention, ffn }) => [attention, ffn].map((id) => id.split('/')[2]!.split('+')[0]).join('+'))

/** Least sum of scores under a bound on a cost, found by trying everything. */
function best(cost: (attention: string, ffn: string) => number, most: number): number {
  const scores = [0, 1, 2].map((layer) => {
    const kl = (slot: ScoreRow['slot'], a: string, f: string) =>
      scoreRows.find((r) => r.layer === layer && r.slot === slot && r.attention === a && r.ffn === f)?.kl
    const single = (a: string, f: string) =>
      (a === 'parent' ? 0 : kl('attention', a, 'parent')!) + (f === 'parent' ? 0 : kl('ffn', 'parent', f)!)
    return Object.keys(costTable.attention).flatMap((a) =>
      Object.keys(costTable.ffn).map((f) => ({ score: kl('block', a, f) ?? single(a, f), cost: cost(a, f) })),
    )
  })
  let least = Infinity
  for (const a of scores[0]!)
    for (const b of scores[1]!)
      for (const c of scores[2]!)
        if (a.cost + b.cost + c.cost <= most) least = Math.min(least, a.score + b.score + c.score)
  return least
}
const parameters = (a: string, f: string) => costTable.attention[a]!.parameters + costTable.ffn[f]!.parameters

test('the best choice under the limits is found, with proof', async () => {
  for (const most of [0.8, 0.3]) {
    const own = await outcome(await search({ parameters: `<= ${most * 100}%` }))
    expect(own.status).toBe('optimal')
    const [first] = own.solutions
    expect(first!.objective).toBeCloseTo(best(parameters, most * 1510 - 10), 9)
    expect(first!.predicted.parameters).toBeLessThanOrEqual(most * 1510)
    expect(own.proofs[0]!.bound).toBeLessThanOrEqual(first!.objective + 1e-9)
  }
})

test('a pair’s own score is preferred to the sum of its slots', async () => {
  // Without any FFN: 0.07 and 0.04 composed would be more than the 0.06 of the pair.
  const { solutions } = await outcome(await search({ parameters: '<= 10%' }))
  expect(solutions[0]!.choice[0]).toEqual({
    attention: 'layer00/attention/linear+no-op',
    ffn: 'layer00/ffn/no-op',
  })
})

test('solutions of a pool differ in the share of layers that is asked for, and get no better', async () => {
  for (const [minimumDifference, least] of [
    ['20%', 1],
    ['40%', 2],
    ['100%', 3],
  ] as const) {
    const { solutions } = await outcome(await search({ parameters: '<= 60%' }, { solutions: 4, minimumDifference }))
    expect(solutions.length).toBeGreaterThan(1)
    for (const [i, a] of solutions.entries())
      for (const b of solutions.slice(0, i)) {
        const different = chosen(a).filter((own, layer) => own !== chosen(b)[layer])
        expect(different.length).toBeGreaterThanOrEqual(least)
        expect(a.objective).toBeGreaterThanOrEqual(b.objective - 1e-9)
      }
  }
})

test('limits of time are aimed at with a margin, others are not', async () => {
  const limits = { throughput: '>= 0.8 tokens/s', memory: '<= 80%', latency: '<= 10s' }
  const { files } = await (await search(limits, { margin: '25%' })).outputs('solve')
  const problem = JSON.parse(JSON.stringify(await store.readJson(files.problem!))) as Problem
  expect(problem.limits!.map(({ max }) => Number(max.toFixed(9)))).toEqual([
    8 / 0.8 / 1.25 - 1,
    200 - 100,
    10 / 1.25 - 1,
  ])
})

test('the margin is dropped when no choice holds it', async () => {
  // The fastest child, without any block, takes the 1 second of the floor: 8 tokens/s.
  const { files } = await (await search({ throughput: '>= 7.9 tokens/s' })).outputs('solve')
  const problem = (await store.readJson(files.problem!)) as Problem
  expect(problem.limits![0]!.max).toBeCloseTo(8 / 7.9 - 1, 9)
  const own = (await store.readJson(files.solutions!)) as SolveOutcome
  expect(chosen(own.solutions[0]!)).toEqual(['no-op+no-op', 'no-op+no-op', 'no-op+no-op'])
})

test('limits that no choice meets are infeasible, by name and by how much', async () => {
  await expect(
    (await search({ throughput: '>= 9 tokens/s', memory: '<= 90%' })).outputs('solve'),
  ).rejects.toMatchObject({
    kind: 'Infeasible',
    message:
      'throughput >= 9 tokens/s cannot be met: the best any choice reaches is 8, the limit is 9 (over by 12.5 % in runtime)',
    remedy: expect.stringMatching(/Loosen the limits/) as string,
  })
})

test('limits that can be met one by one but not together are infeasible, too', async () => {
  const { attention, ffn } = costTable
  // A matrix takes fewer bytes than attention, and here more time.
  const slow = { ...costTable, attention: { parent: attention.parent!, linear: cost(4, 10, 50) }, ffn }
  const rows = scoreRows.filter(({ slot, ffn }) => slot !== 'block' && ffn !== 'no-op')
  const own = await search({ memory: '<= 154 B', latency: '<= 13s' }, {}, rows, slow)
  await expect(own.outputs('solve')).rejects.toMatchObject({
    kind: 'Infeasible',
    message:
      'memory <= 154 bytes cannot be met while latency is held: the best any choice reaches is 214, the limit is 154 (over by 39 % in memory); ' +
      'latency <= 13 seconds cannot be met while memory is held: the best any choice reaches is 16, the limit is 13 (over by 23.1 % in runtime)',
  })
})

test('limits of prefill and token latency are aimed at with the same margin', async () => {
  const limits = { prefill: '<= 3 s', tokenLatency: '<= 50%' }
  const { files } = await (await search(limits, { margin: '25%' })).outputs('solve')
  const problem = JSON.parse(JSON.stringify(await store.readJson(files.problem!))) as Problem
  expect(problem.limits!.map(({ cost, max }) => [cost, Number(max.toFixed(9))])).toEqual([
    ['prefill', 3 / 1.25 - 1 / 4],
    ['decoding', Number((6 / 1.25 - 3 / 4).toFixed(9))],
  ])
})

const ruled = (choices: readonly JsonObject[], limits: JsonObject = { parameters: '<= 30%' }) =>
  search(limits, {}, undefined, undefined, choices)

test('rules force, forbid and count what layers get', async () => {
  const free = chosen((await outcome(await search({ parameters: '<= 30%' }))).solutions[0]!)
  expect(free).toEqual(['linear+parent', 'linear+no-op', 'linear+no-op'])
  const kept = await outcome(await ruled([{ slot: 'attention', layers: 1, only: 'parent' }]))
  expect(chosen(kept.solutions[0]!)[1]).toMatch(/^parent\+/)
  const without = await outcome(await ruled([{ slot: 'ffn', forbid: 'no-op' }], { parameters: '<= 60%' }))
  expect(chosen(without.solutions[0]!).filter((own) => own.endsWith('+no-op'))).toEqual([])
  const counted = await outcome(await ruled([{ slot: 'attention', block: 'linear', atLeast: 2, atMost: 2 }]))
  expect(chosen(counted.solutions[0]!).filter((own) => own.startsWith('linear+'))).toHaveLength(2)
})

test('a rule that limits leave no room for is named with them', async () => {
  const own = await ruled([{ slot: 'attention', block: 'parent', atLeast: 2 }], { parameters: '<= 10%' })
  await expect(own.outputs('solve')).rejects.toMatchObject({
    kind: 'Infeasible',
    message:
      'parameters <= 0.1x of the parent cannot be met while target.choices[0] (attention: at least 2 with parent) is held: the best any choice reaches is 610, the limit is 151 (over by 304 % in parameters); ' +
      'target.choices[0] (attention: at least 2 with parent) cannot be met while parameters is held: the best any choice reaches is 0',
  })
})

test('a score that rounding has left a little below 0 does no harm', async () => {
  const rows = scoreRows.map((row) =>
    row.layer === 2 && row.ffn === 'swiglu-16' && row.slot === 'ffn' ? { ...row, kl: -1e-9 } : row,
  )
  const own = await outcome(await search({ parameters: '<= 93%' }, {}, rows))
  expect(chosen(own.solutions[0]!)).toEqual(['parent+parent', 'parent+parent', 'parent+swiglu-16'])
  expect(own.solutions[0]!.objective).toBeCloseTo(0, 8)
})

test('the composition is the measured one unless the spec says another', async () => {
  const limits = { parameters: '<= 90%' }
  expect((await (await search(limits)).outputs('solve')).values.composition).toBe('sum')
  expect((await (await search(limits, { composition: 'rss' })).outputs('solve')).values.composition).toBe('rss')
})

test('baselines are there to compare with', async () => {
  const { baselines, solutions } = await outcome(await search({ parameters: '<= 60%' }))
  expect(Object.keys(baselines).sort()).toEqual(['greedy', 'homogeneous', 'marginal-greedy', 'no-op', 'random'])
  for (const { objective } of Object.values(baselines))
    expect(objective ?? Infinity).toBeGreaterThanOrEqual(solutions[0]!.objective - 1e-9)
})
