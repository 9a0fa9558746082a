import { describe, expect, test } from 'vitest'
import { whyInfeasible } from '../../puzzle/infeasible-batches.js'
import { loadsAt, loadsAtEach } from '../../puzzle/batch-loads.js'
import { parentScenario, withBatches } from '../../puzzle/batches.js'
import { corrected } from '../../puzzle/correction.js'
import type { Evaluation, Predicted } from '../../puzzle/evaluation.js'
import type { TargetScenario } from '../../puzzle/inputs.js'
import { decided, judgeLimits } from '../../puzzle/judge-limits.js'
import type { Limit } from '../../puzzle/limit.js'
import { bounds, lackOf } from '../../puzzle/limits.js'
import { yardsOf } from '../../puzzle/loads.js'
import { predictedSpeeds } from '../../puzzle/predicted-speeds.js'
import { toSolution, type ProblemParts } from '../../puzzle/selection-problem.js'
import { joined, speedsOf, type PairedPasses } from '../../puzzle/speed.js'
import { predictedRatios, reachOf } from '../../puzzle/sweep-point.js'
import { judge } from '../../puzzle/verdict.js'
import { openTiny } from '../model/tiny.js'
import { batches, tableAt } from '../stages/batch-costs.js'
import { fakeLibrary, fakeSpace, scoreRows } from '../stages/fakes.js'

const library = new Map(fakeLibrary(await openTiny(), fakeSpace).map((entry) => [entry.id, entry]))
const scenario: TargetScenario = { batch: batches, prefill: 4, generate: 4 }
const tables = batches.map(tableAt)
const parent = Array(3).fill({ attention: 'parent', ffn: 'parent' }) as ProblemParts['parent']
const limit = (name: Limit['name'], value: number, unit = 'parent'): Limit => ({
  ...{ name, value, unit, bound: name === 'throughput' ? 'min' : 'max' },
})
/** The child at 8 beside the parent at 4. */
const parts: ProblemParts = {
  ...{ rows: scoreRows, composition: 'sum', library, limits: [], parent },
  ...loadsAt({ scenario }, tables, { child: 8, parent: 4 }),
}

describe('the parent’s batch is the one with most tokens per second', () => {
  const chosen = (...limits: Limit[]) => loadsAtEach({ scenario }, tables, limits, parent)
  test.each<[string, Limit[], number, boolean]>([
    ['of all', [], 8, true],
    ['whatever relative limits say', [limit('memory', 0.1)], 8, true],
    ['where its memory meets the limit', [limit('memory', 429, 'bytes')], 4, true],
    ['where its memory is the limit', [limit('memory', 430, 'bytes')], 8, true],
    ['though limits on time are missed', [limit('throughput', 99, 'tokens/s')], 8, true],
    ['of all, if its memory meets the limit at none', [limit('memory', 249, 'bytes')], 8, false],
  ])('%s', (_, limits, batch, fits) => {
    expect(chosen(...limits).parent).toEqual({ batch, fits })
    expect(chosen(...limits).loads.map((own) => own.scenario)).toEqual(
      batches.map((child) => ({ batch: child, parentBatch: batch, prefill: 4, generate: 4 })),
    )
  })

  test('and is no question where the spec says it', () => {
    const { loads, parent: none } = loadsAtEach({ scenario: { ...scenario, batch: 2 } }, tables.slice(0, 1), [], parent)
    expect(loads).toEqual([{ scenario: { ...scenario, batch: 2 }, table: tables[0] }])
    expect(none).toBeUndefined()
  })
})

test('a batch that nobody has chosen is a defect', () => {
  expect(() => withBatches(scenario, undefined)).toThrow('Internal error')
  expect(parentScenario({ batch: 8, prefill: 4, generate: 4 })).toEqual({ batch: 8, prefill: 4, generate: 4 })
})

// At 4, the parent takes 19 seconds and 310 bytes; at 8, the floor takes one second and 100 bytes. A quarter is prefill.
test.each<[Limit, string, number]>([
  [limit('throughput', 2), 'runtime', (8 * 4) / ((2 * 16) / 19) - 1],
  [limit('throughput', 2, 'tokens/s'), 'runtime', (8 * 4) / 2 - 1],
  [limit('latency', 0.5), 'runtime', 19 / 2 - 1],
  [limit('latency', 5, 'seconds'), 'runtime', 5 - 1],
  [limit('prefill', 0.5), 'prefill', 19 / 8 - 1 / 4],
  [limit('tokenLatency', 0.5), 'decoding', (19 * 3) / 8 - 3 / 4],
  [limit('memory', 0.5), 'memory', 310 / 2 - 100],
  [limit('memory', 320, 'bytes'), 'memory', 320 - 100],
  [limit('parameters', 0.5), 'parameters', 1510 / 2 - 10],
])('a limit bounds the child at its batch by the parent at the parent’s: %j', (own, cost, max) => {
  expect(bounds([own], yardsOf(parts, parent))).toEqual([{ limit: own, cost, max: expect.closeTo(max, 9) as number }])
})

describe('what is predicted of a child of linear attention', () => {
  const solution = toSolution(parts, Array(3).fill('linear+parent') as string[], 0.24)
  // 1 + 3 x (2 + 3) seconds and 100 + 3 x 30 bytes at 8.
  const seconds = 16

  test('is of its batch, and of the parent’s where it is the parent’s', () => {
    expect(solution.batches).toEqual({ child: 8, parent: 4 })
    expect(solution.predicted).toEqual({
      throughput: 32 / seconds,
      runtime: seconds,
      memoryBytes: 190,
      parameters: 760,
    })
    expect(predictedSpeeds(parts, solution)).toEqual({
      parent: { throughput: 16 / 19, prefill: 19 / 4, tokenLatency: (19 * 3) / 4 / 4 },
      child: { throughput: 2, prefill: 4, tokenLatency: 3 },
    })
    const ratios = predictedRatios(parts, solution)
    expect(ratios.throughput).toBeCloseTo(2 / (16 / 19), 12)
    expect(ratios).toMatchObject({ memory: 190 / 310, parameters: 760 / 1510 })
  })

  test.each<[Limit, number]>([
    [limit('throughput', 1.5), 2 / (16 / 19)],
    [limit('throughput', 1, 'tokens/s'), 2],
    [limit('latency', 0.9), 16 / 19],
    [limit('prefill', 0.9), 16 / 19],
    [limit('memory', 0.9), 190 / 310],
    [limit('memory', 300, 'bytes'), 190],
  ])('reaches of %j what it reaches', (own, value) => {
    expect(reachOf(own, parts, solution)).toBeCloseTo(value, 9)
  })
})

/** Sixteen passes of the child at 8 in 2 + 6 seconds, beside the parent at 4 in 3 + 9. */
const passes: PairedPasses = {
  ...{ parent: Array<number>(16).fill(12), child: Array<number>(16).fill(8) },
  prefill: { parent: Array<number>(16).fill(3), child: Array<number>(16).fill(2) },
  ...{ error: 0.025, sessions: 1, batches: { child: 8, parent: 4 } },
}
const served = withBatches(scenario, passes.batches)
const measured = (throughput: number, prefill: number, tokenLatency: number, memoryBytes: number): Predicted => ({
  ...{ kl: 0, perplexity: 2, accuracy: null, tasks: {}, parameters: 1, memoryBytes },
  throughput: { measured: throughput, predicted: throughput },
  prefill: { measured: prefill, predicted: prefill },
  tokenLatency: { measured: tokenLatency, predicted: tokenLatency },
})
const evaluation: Evaluation = {
  ...{ parent: measured(16 / 12, 3, 9 / 4, 310), child: measured(4, 2, 6 / 4, 190), timing: passes },
  ratios: { throughput: 3, prefill: 2 / 3, tokenLatency: 2 / 3, accuracy: null, memory: 190 / 310, parameters: 1 },
}

describe('passes of different batches', () => {
  test('are each counted with the tokens of their batch', () => {
    const speeds = speedsOf(served, passes)
    expect(speeds.throughput.child.value).toBe(32 / 8)
    expect(speeds.throughput.parent).toBeCloseTo(16 / 12, 12)
    expect(speeds.throughput.ratio.value).toBeCloseTo(3, 12)
    expect(speeds.prefill).toMatchObject({ parent: 3, child: { value: 2 } })
    expect(speeds.tokenLatency).toMatchObject({ parent: 9 / 4, child: { value: 6 / 4 } })
    // Without the parent's batch they would be those of the same tokens.
    expect(speedsOf({ ...scenario, batch: 8 }, passes).throughput.ratio.value).toBeCloseTo(1.5, 12)
  })

  test('of several sessions keep their batches', () => {
    expect(joined(passes, passes).batches).toEqual({ child: 8, parent: 4 })
    const { parent: seconds, child, prefill, error, sessions } = passes
    const plain = { parent: seconds, child, prefill, error, sessions }
    expect(joined(plain, plain)).not.toHaveProperty('batches')
  })

  test.each<[Limit, number]>([
    [limit('throughput', 2.9), 3],
    [limit('throughput', 3.9, 'tokens/s'), 4],
    [limit('latency', 0.67), 8 / 12],
    [limit('latency', 8.1, 'seconds'), 8],
    [limit('prefill', 0.67), 2 / 3],
    [limit('tokenLatency', 0.67), 2 / 3],
    [limit('memory', 0.62), 190 / 310],
  ])('are judged by the time of each one’s whole batch: %j', (own, value) => {
    const [judged] = judgeLimits([own], [served], evaluation)
    expect(judged!.held).toBe(true)
    expect(judged!.value).toBeCloseTo(value, 12)
    // A verdict finds the batches with the passes.
    const { name, bound, value: wanted, unit } = own
    const verdict = judge({ scenario, limits: { [name]: { bound, value: wanted, unit } } }, evaluation)
    expect(verdict.limits).toEqual([judged])
    const missed = judge(
      { scenario, limits: { [name]: { bound, value: bound === 'min' ? 5 : 0.5, unit } } },
      evaluation,
    )
    expect(missed.reasons).toHaveLength(1)
  })

  test('that decide a limit need no more of them', async () => {
    const deciding = { limits: [limit('latency', 0.67)], retime: 0, repetitions: 1 }
    const never = () => {
      throw new Error('nothing is timed again')
    }
    const after = await decided(evaluation, never, [served], deciding)
    expect(after.timing.batches).toEqual({ child: 8, parent: 4 })
    expect(after.ratios.throughput).toBeCloseTo(3, 12)
  })

  test('correct limits by what each model was predicted at its batch', () => {
    const kind = { ...evaluation, child: { ...evaluation.child, throughput: { measured: 4, predicted: 4.4 } } }
    expect(corrected([limit('latency', 0.5), limit('throughput', 2)], {}, kind, [served])).toEqual({
      latency: expect.closeTo(1 / (1.1 * 1.01), 12) as number,
      throughput: expect.closeTo(1.1 * 1.01, 12) as number,
    })
  })
})

describe('of batches that are all infeasible, the nearest', () => {
  // At most 16 seconds and 200 bytes for the whole child, of which the floor takes one and 100.
  const yards = yardsOf(parts, parent)
  const all = bounds([limit('latency', 16, 'seconds'), limit('memory', 200, 'bytes')], yards)
  const unmet = (cost: string, minimum: number, holding: readonly string[] = []) => {
    const { max } = all.find((own) => own.cost === cost)!
    return { cost, max, minimum, excess: minimum - max, holding }
  }
  const lack = (...limits: ReturnType<typeof unmet>[]) => lackOf(all, yards, { limits })

  test('is told by the furthest of the limits that cannot be met even alone', () => {
    expect(lack(unmet('runtime', 19))).toBeCloseTo(4 / 16, 12)
    expect(lack(unmet('runtime', 19), unmet('memory', 200))).toBeCloseTo(100 / 200, 12)
  })

  test('is told by the nearest of those that cannot be met together: one of them may give way', () => {
    expect(lack(unmet('runtime', 19, ['memory']), unmet('memory', 200, ['runtime']))).toBeCloseTo(4 / 16, 12)
  })

  test('is none where it is not limits that contradict each other', () => {
    expect(lack()).toBe(Infinity)
    expect(lack({ ...unmet('memory', 200), cost: 'rule 1' })).toBe(Infinity)
    const far = { batch: 4, reason: 'the rules contradict each other', lack: Infinity }
    expect(whyInfeasible([far, { batch: 8, reason: 'too slow', lack: 0.5 }])).toBe(
      'The limits cannot be met at any of the batches 4 and 8; batch 8 comes nearest: too slow',
    )
    expect(whyInfeasible([far])).toBe('the rules contradict each other')
  })
})
