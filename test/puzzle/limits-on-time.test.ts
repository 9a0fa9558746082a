import { describe, expect, test } from 'vitest'
import { corrected } from '../../puzzle/correction.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { Evaluation, Predicted } from '../../puzzle/evaluation.js'
import { decided, judgeLimits, shortfall, tightened } from '../../puzzle/judge-limits.js'
import type { Limit } from '../../puzzle/limit.js'
import { predictedSpeeds } from '../../puzzle/predicted-speeds.js'
import { makeProblem, toSolution, type ProblemParts } from '../../puzzle/selection-problem.js'
import { joined, speedsOf, type PairedPasses } from '../../puzzle/speed.js'
import { withTiming } from '../../puzzle/served.js'
import { solve } from '../../solver/index.js'
import { normal } from '../../tensor/random.js'
import { openTiny } from '../model/tiny.js'
import { costTable, fakeLibrary, fakeSpace, scoreRows } from '../stages/fakes.js'

const { scenario } = costTable
const limit = (name: Limit['name'], value: number, unit: string): Limit => ({ name, bound: 'max', value, unit })

/** Blocks that are fast in prefill are slow in decoding: no limit says what the other does. */
const apart: CostTable = {
  ...costTable,
  floor: { ...costTable.floor, prefillSeconds: 0.5, decodeSeconds: 1 },
  attention: {
    parent: { prefillSeconds: 2, decodeSeconds: 3, memoryBytes: 30, parameters: 300 },
    linear: { prefillSeconds: 0.25, decodeSeconds: 2.75, memoryBytes: 10, parameters: 50 },
    'no-op': { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 },
  },
  ffn: {
    parent: { prefillSeconds: 2, decodeSeconds: 2, memoryBytes: 20, parameters: 200 },
    'swiglu-16': { prefillSeconds: 1.75, decodeSeconds: 0.25, memoryBytes: 8, parameters: 80 },
    'no-op': { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 },
  },
}
const parts: ProblemParts = {
  rows: scoreRows,
  composition: 'sum',
  library: new Map(fakeLibrary(await openTiny(), fakeSpace).map((entry) => [entry.id, entry])),
  table: apart,
  scenario,
  limits: [],
  parent: Array(3).fill({ attention: 'parent', ffn: 'parent' }) as ProblemParts['parent'],
}
const pool = { solutions: 1, minimumDifference: 0, gap: 0, seed: 1 }

describe('the best choice under limits of prefill and of token latency', () => {
  // The parent: 0.5 + 3 x 4 = 12.5 seconds of prefill; 1 + 3 x 5 = 16 of decoding 4 tokens.
  test.each<[readonly Limit[], number, number]>([
    [[limit('prefill', 8, 'seconds')], 8, Infinity],
    [[limit('prefill', 0.4, 'parent')], 0.4 * 12.5, Infinity],
    [[limit('tokenLatency', 2.4, 'seconds')], Infinity, 4 * 2.4],
    [[limit('tokenLatency', 0.5, 'parent')], Infinity, 8],
    [[limit('prefill', 0.6, 'parent'), limit('tokenLatency', 0.7, 'parent')], 0.6 * 12.5, 0.7 * 16],
  ])('%j is the best of all choices, and baselines keep to the limits', async (limits, prefill, decode) => {
    const problem = makeProblem({ ...parts, limits }, pool)
    const options = problem.layers.map((layer) => layer.options)
    let least = Infinity
    for (const a of options[0]!)
      for (const b of options[1]!)
        for (const c of options[2]!) {
          const of = (kind: 'prefillSeconds' | 'decodeSeconds') =>
            [a, b, c].reduce((sum, { id }) => {
              const [attention, ffn] = id.split('+') as [string, string]
              return sum + apart.attention[attention]![kind] + apart.ffn[ffn]![kind]
            }, apart.floor[kind])
          if (of('prefillSeconds') <= prefill && of('decodeSeconds') <= decode)
            least = Math.min(least, a.score + b.score + c.score)
        }
    const result = await solve(problem)
    expect(result.status).toBe('optimal')
    expect(result.solutions[0]!.objective).toBeCloseTo(least, 9)
    const solution = toSolution(parts, result.solutions[0]!.choice, least)
    const { child } = predictedSpeeds(parts, solution)
    expect(child.prefill).toBeLessThanOrEqual(prefill)
    expect(child.tokenLatency).toBeLessThanOrEqual(decode / 4)
    const feasible = Object.values(result.baselines).filter((own) => own.feasible)
    expect(feasible.length).toBeGreaterThan(0)
    for (const { objective } of feasible) expect(objective).toBeGreaterThanOrEqual(least - 1e-9)
  })

  test('without them, options are described as ever', () => {
    const costs = (limits: readonly Limit[]) =>
      Object.keys(makeProblem({ ...parts, limits }, pool).layers[0]!.options[0]!.costs)
    expect(costs([])).toEqual(['runtime', 'memory', 'parameters'])
    expect(costs([limit('tokenLatency', 1, 'seconds')])).toEqual(['runtime', 'memory', 'parameters', 'decoding'])
  })
})

/** Passes of parent and child, [prefill, decoding] seconds. */
const passes = (parent: readonly [number, number][], child: readonly [number, number][]): PairedPasses => {
  const whole = (own: readonly [number, number][]) => own.map(([prefill, decode]) => prefill + decode)
  const prompts = (own: readonly [number, number][]) => own.map(([prefill]) => prefill)
  const prefill = { parent: prompts(parent), child: prompts(child) }
  return { parent: whole(parent), child: whole(child), prefill, error: 0.025, sessions: 1 }
}
const times = <T>(count: number, value: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => value(i))

describe('speeds of pairs of passes', () => {
  test('are of prefill and decoding apart, and the ratio is of what ran side by side', () => {
    // The machine is twice as slow in every second pair.
    const slow = (i: number) => 1 + (i % 2)
    const found = speedsOf(
      scenario,
      passes(
        times(9, (i) => [2 * slow(i), 8 * slow(i)]),
        times(9, (i) => [slow(i), 6 * slow(i)]),
      ),
    )
    expect(found.prefill.ratio).toEqual({ value: 0.5, low: 0.5, high: 0.5 })
    expect(found.tokenLatency.ratio).toEqual({ value: 0.75, low: 0.75, high: 0.75 })
    // 4 tokens each; five of nine passes ran undisturbed.
    expect(found.tokenLatency.child).toMatchObject({ value: 1.5, low: 1.5, high: 3 })
    expect(found.prefill).toMatchObject({ parent: 2, child: { value: 1, low: 1, high: 2 } })
    expect(found.throughput.ratio.value).toBeCloseTo(10 / 7, 12)
  })

  test('of a single token: nothing is decoded, by neither', () => {
    const own = speedsOf(
      { batch: 2, prefill: 4, generate: 1 },
      passes(
        times(8, () => [2, 0]),
        times(8, () => [1, 0]),
      ),
    )
    expect(own.tokenLatency).toEqual({
      parent: 0,
      child: { value: 0, low: 0, high: 0 },
      ratio: { value: 1, low: 1, high: 1 },
    })
  })

  test('of several sessions are of all their passes', () => {
    const one = passes([[1, 2]], [[3, 4]])
    const two = passes([[5, 6]], [[7, 8]])
    expect(joined(one, two)).toMatchObject({
      parent: [3, 11],
      child: [7, 15],
      prefill: { parent: [1, 5], child: [3, 7] },
      sessions: 2,
    })
  })
})

/** A parent of 2 + 8 seconds, predicted right, and a child of these passes. */
function evaluation(child: readonly [number, number][], predicted = { prefill: 1, tokenLatency: 1 }): Evaluation {
  const timing = passes(
    child.map(() => [2, 8]),
    child,
  )
  const speeds = speedsOf(scenario, timing)
  const model = (of: 'parent' | 'child'): Predicted => {
    const value = (name: keyof typeof speeds) => (of === 'parent' ? speeds[name].parent : speeds[name].child.value)
    const both = (name: 'prefill' | 'tokenLatency') => ({
      measured: value(name),
      predicted: of === 'parent' ? value(name) : predicted[name],
    })
    const throughput = { measured: value('throughput'), predicted: 1 }
    return {
      ...{ kl: 0, perplexity: 2, accuracy: null, tasks: {}, memoryBytes: 1, parameters: 1 },
      ...{ throughput, prefill: both('prefill'), tokenLatency: both('tokenLatency') },
    }
  }
  const ratios = { throughput: 1, prefill: 1, tokenLatency: 1, accuracy: null, memory: 1, parameters: 1 }
  return { parent: model('parent'), child: model('child'), ratios, timing }
}
const steady = evaluation(times(16, () => [1.5, 4]))

describe('a limit of time is judged', () => {
  test.each<[Limit, boolean, number]>([
    [limit('prefill', 1.5, 'seconds'), true, 1.5],
    [limit('prefill', 1.4, 'seconds'), false, 1.5],
    [limit('prefill', 0.75, 'parent'), true, 0.75],
    [limit('prefill', 0.7, 'parent'), false, 0.75],
    [limit('tokenLatency', 1, 'seconds'), true, 1],
    [limit('tokenLatency', 0.9, 'seconds'), false, 1],
    [limit('tokenLatency', 0.5, 'parent'), true, 0.5],
    [limit('tokenLatency', 0.49, 'parent'), false, 0.5],
  ])('by its own passes: %j is met: %j', (own, held, value) => {
    const [judged] = judgeLimits([own], [scenario], steady)
    expect(judged).toEqual({
      limit: expect.stringContaining(own.name) as string,
      ...{ held, value, interval: [value, value], wanted: own.value },
      ...(!held && { missedBy: value / own.value - 1 }),
    })
  })

  test('by the whole interval, not by the median', () => {
    const noisy = evaluation(times(16, (i) => [i % 8 === 0 ? 1.9 : 1.5, 4]))
    const [judged] = judgeLimits([limit('prefill', 1.6, 'seconds')], [scenario], noisy)
    expect(judged).toMatchObject({ value: 1.5, held: true, interval: [1.5, 1.5] })
    const worse = evaluation(times(16, (i) => [i % 5 < 2 ? 1.9 : 1.5, 4]))
    expect(judgeLimits([limit('prefill', 1.6, 'seconds')], [scenario], worse)[0]).toMatchObject({
      ...{ value: 1.5, held: false, interval: [1.5, 1.9] },
    })
    // What prefill does says nothing of decoding.
    expect(shortfall(judgeLimits([limit('tokenLatency', 1, 'seconds')], [scenario], worse))).toBe(0)
  })

  test('with headroom it asks for a little less', () => {
    for (const name of ['prefill', 'tokenLatency'] as const)
      expect(tightened(limit(name, 1.01, 'seconds'), 0.01)).toEqual(limit(name, 1, 'seconds'))
  })
})

describe('where there are other children', () => {
  const open = evaluation(times(16, (i) => [i % 2 === 0 ? 1.4 : 1.6, 4]))
  const deciding = (value: number, giveUp: boolean) =>
    decided(
      open,
      () => {
        throw new Error('timed again')
      },
      [scenario],
      { limits: [limit('prefill', value, 'seconds')], repetitions: 1, retime: 3, giveUp },
    )

  test('one that will hardly be shown to meet a limit is not timed again', async () => {
    expect((await deciding(1.49, true)).timing.child).toHaveLength(16)
    await expect(deciding(1.49, false)).rejects.toThrow('timed again')
  })

  test('one that may well be shown to meet it is', async () => {
    await expect(deciding(1.56, true)).rejects.toThrow('timed again')
  })
})

describe('searches whose machine is noisy, each timing a child until its limit is decided', () => {
  const searches = 1000
  // 9 pairs at first, as by default, doubled three times at most.
  const deciding = { limits: [limit('prefill', 0.5, 'parent')], repetitions: 9, retime: 3 }
  /** The share of searches that accept a child with this true ratio, and the mean number of pairs of each. */
  async function accepted(ratio: number, seed: number) {
    const random = normal(seed)
    // Other work only ever takes time: a third of all passes, by half of it on average.
    const slow = () => Math.exp(0.03 * random()) * (random() > 0.43 ? 1 + 0.6 * Math.abs(random()) : 1)
    const more = (pairs: number): PairedPasses =>
      passes(
        times(pairs, () => [2 * slow(), 8]),
        times(pairs, () => [2 * ratio * slow(), 4]),
      )
    let [held, pairs] = [0, 0]
    for (let search = 0; search < searches; search++) {
      const before = withTiming(evaluation(times(16, () => [1, 4])), scenario, more(9))
      const after = await decided(before, async (_, amount) => more(amount.pairs), [scenario], deciding)
      if (judgeLimits(deciding.limits, [scenario], after)[0]!.held) held++
      pairs += after.timing.child.length
    }
    return { share: held / searches, pairs: pairs / searches }
  }
  const allowed = 0.025 + 4 * Math.sqrt((0.025 * 0.975) / searches)

  test('a child that just misses passes in at most 2.5 % of them, however often it was looked at', async () => {
    const { share, pairs } = await accepted(0.5, 1)
    expect(share).toBeLessThan(allowed)
    // It was looked at until the pairs ran out.
    expect(pairs).toBeGreaterThan(50)
  })

  test('one that misses by a tenth never does, one that is a tenth better passes; both are decided early', async () => {
    const worse = await accepted(0.55, 2)
    const better = await accepted(0.45, 3)
    expect(worse.share).toBe(0)
    expect(better.share).toBeGreaterThan(0.95)
    for (const { pairs } of [worse, better]) expect(pairs).toBeLessThan(40)
  })
})

test('a missed limit of time is corrected by what was predicted of the same time', () => {
  // Prefill took 1.5 times what was predicted, decoding twice.
  const measured = evaluation(
    times(16, () => [1.5, 4]),
    { prefill: 1, tokenLatency: 0.5 },
  )
  const limits = [limit('prefill', 1, 'seconds'), limit('tokenLatency', 0.3, 'parent'), limit('memory', 1, 'bytes')]
  expect(corrected(limits, {}, measured, [scenario])).toEqual({
    prefill: expect.closeTo(1 / (1.5 * 1.01), 12) as number,
    tokenLatency: expect.closeTo(1 / (2 * 1.01), 12) as number,
  })
  // Of an interval that reaches a quarter above the value, the worse end has to meet the limit.
  const wide = evaluation(
    times(16, (i) => [i % 5 < 2 ? 1.875 : 1.5, 4]),
    { prefill: 1.5, tokenLatency: 0.5 },
  )
  const [first] = limits
  expect(corrected([first!], {}, wide, [scenario])).toEqual({
    prefill: expect.closeTo(1 / (1.01 * 1.25), 12) as number,
  })
  // With four times as many pairs it will be less than half as wide.
  expect(corrected([first!], {}, wide, [scenario], 64)).toEqual({
    prefill: expect.closeTo(1 / (1.01 * 1.1), 12) as number,
  })
  // On a machine so busy that the interval reaches more than half above the value, a much faster child would be no surer.
  const wild = evaluation(
    times(16, (i) => [i % 5 < 2 ? 2.4 : 1.5, 4]),
    { prefill: 1.5, tokenLatency: 0.5 },
  )
  expect(corrected([first!], {}, wild, [scenario])).toEqual({
    prefill: expect.closeTo(1 / (1.01 * 1.25), 12) as number,
  })
  const problem = makeProblem({ ...parts, limits: limits.slice(0, 1) }, pool, { prefill: 0.5 })
  expect(problem.limits).toEqual([{ cost: 'prefill', max: 0.5 * 1 - 0.5 }])
})
