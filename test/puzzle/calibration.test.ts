import { expect, test } from 'vitest'
import { calibrate, randomChildren, residual, type Whole } from '../../puzzle/calibration.js'
import { runtime, totalCost, type Cost, type CostTable } from '../../puzzle/costs.js'
import { normal, uniform } from '../../tensor/random.js'
import { costTable, fakeSpace } from '../stages/fakes.js'
import { openTiny } from '../model/tiny.js'

const model = await openTiny()
const parent = Array<{ attention: string; ffn: string }>(3).fill({ attention: 'parent', ffn: 'parent' })
const children = (count: number) =>
  randomChildren(model, fakeSpace, count, 7).map((layers) =>
    layers.map(({ attention, ffn }) => ({ attention: attention.id, ffn: ffn.id })),
  )

/** What a machine would measure whose costs are those of a table. */
function measured(truth: CostTable, layers: Whole['layers'], factor: () => number = () => 1): Whole {
  const slow = factor()
  const scaled = (own: Cost) => ({ prefillSeconds: own.prefillSeconds * slow, decodeSeconds: own.decodeSeconds * slow })
  return { layers, parent: scaled(totalCost(truth, parent)), child: scaled(totalCost(truth, layers)) }
}
/** The same session, in which the child alone took so many times as long. */
const childSlower = ({ child, ...own }: Whole, factor: number): Whole => ({
  ...own,
  child: { prefillSeconds: child.prefillSeconds * factor, decodeSeconds: child.decodeSeconds * factor },
})

/** The table with the times of the parent's blocks, and those of all others, multiplied. */
const changed = (own: number, others: number): CostTable => {
  const all = (costs: Readonly<Record<string, Cost>>) =>
    Object.fromEntries(
      Object.entries(costs).map(([id, cost]) => {
        const factor = id === 'parent' ? own : others
        const { prefillSeconds, decodeSeconds } = cost
        return [id, { ...cost, prefillSeconds: prefillSeconds * factor, decodeSeconds: decodeSeconds * factor }]
      }),
    )
  return { ...costTable, attention: all(costTable.attention), ffn: all(costTable.ffn) }
}

test('random children are the same for the same seed, and of the space', () => {
  expect(children(3)).toEqual(children(3))
  const ids = new Set(children(20).flatMap((layers) => layers.map(({ attention }) => attention)))
  expect([...ids].sort()).toEqual(['linear', 'no-op', 'parent'])
})

test('a table that is right stays as it is', () => {
  const { table, calibration } = calibrate(
    costTable,
    parent,
    children(4).map((layers) => measured(costTable, layers)),
  )
  expect(table.attention.linear!.prefillSeconds).toBeCloseTo(costTable.attention.linear!.prefillSeconds, 9)
  expect(calibration.before.largest).toBeLessThan(1e-9)
  expect(calibration.after.largest).toBeLessThan(1e-9)
})

test('a table in which the parent’s blocks and the others are wrong by a factor each is corrected, also for children that were not timed', () => {
  const truth = changed(1.2, 0.85)
  const all = children(24)
  const { table, calibration } = calibrate(
    costTable,
    parent,
    all.slice(0, 6).map((layers) => measured(truth, layers)),
  )
  expect(calibration.before.largest).toBeGreaterThan(0.05)
  expect(calibration.decode.parent).toBeCloseTo(1.2, 1)
  expect(calibration.decode.others).toBeCloseTo(0.85, 1)
  const others = all.slice(6).map((layers) => measured(truth, layers))
  expect(residual(table, parent, others).largest).toBeLessThan(0.3 * residual(costTable, parent, others).largest)
})

test('a parent that takes longer than the sum of its blocks is predicted nearer to what was measured', () => {
  // The parent does not fit into a cache that its children fit into.
  const wholes = children(6).map((layers): Whole => {
    const own = measured(costTable, layers)
    const { prefillSeconds, decodeSeconds } = own.parent
    return { ...own, parent: { prefillSeconds: 1.05 * prefillSeconds, decodeSeconds: 1.05 * decodeSeconds } }
  })
  const { table, calibration } = calibrate(costTable, parent, wholes)
  const [before, after] = [costTable, table].map((own) => totalCost(own, parent).decodeSeconds) as [number, number]
  const truth = wholes[0]!.parent.decodeSeconds
  expect(before).toBeLessThan(after)
  expect(after).toBeLessThan(truth)
  expect(calibration.before.rms).toBeCloseTo(1 - 1 / 1.05, 6)
  expect(calibration.after.rms).toBeLessThan(0.75 * calibration.before.rms)
})

test('a parent that a neighbour slowed in some sessions does not decide', () => {
  const wholes = children(4).map((layers, i): Whole => {
    const own = measured(costTable, layers)
    const slowed = i % 2 === 0 ? 1.4 : 1
    const { prefillSeconds, decodeSeconds } = own.parent
    return { ...own, parent: { prefillSeconds: slowed * prefillSeconds, decodeSeconds: slowed * decodeSeconds } }
  })
  const { table } = calibrate(costTable, parent, wholes)
  expect(totalCost(table, parent).decodeSeconds).toBeCloseTo(totalCost(costTable, parent).decodeSeconds, 9)
})

test('sessions in which the whole machine was slower do not matter', () => {
  const random = uniform(5)
  const truth = changed(1.1, 0.9)
  const wholes = children(6).map((layers) => measured(truth, layers, () => 1 + random()))
  const { calibration } = calibrate(costTable, parent, wholes)
  expect(calibration.after.largest).toBeLessThan(0.03)
})

test('where nothing is decoded, only prefill is corrected', () => {
  const none = { decodeSeconds: 0 }
  const without = (own: CostTable): CostTable => {
    const all = (costs: Readonly<Record<string, Cost>>) =>
      Object.fromEntries(Object.entries(costs).map(([id, cost]) => [id, { ...cost, ...none }]))
    return { ...own, floor: { ...own.floor, ...none }, attention: all(own.attention), ffn: all(own.ffn) }
  }
  const truth = without(changed(1.2, 0.85))
  const { calibration } = calibrate(
    without(costTable),
    parent,
    children(6).map((layers) => measured(truth, layers)),
  )
  expect(calibration.decode).toEqual({ parent: 1, others: 1 })
  expect(calibration.prefill.parent).toBeCloseTo(1.2, 1)
})

test('the interval of a cost is corrected with the cost', () => {
  const wide = (own: CostTable): CostTable => ({
    ...own,
    attention: { ...own.attention, linear: { ...own.attention.linear!, error: 0.1 * runtime(own.attention.linear!) } },
  })
  const { table } = calibrate(
    wide(costTable),
    parent,
    children(6).map((layers) => measured(changed(1.2, 0.7), layers)),
  )
  const { error, ...cost } = table.attention.linear!
  expect(runtime(cost)).toBeLessThan(0.9 * runtime(costTable.attention.linear!))
  expect(error! / runtime(cost)).toBeCloseTo(0.1, 9)
})

test('noise in what was measured is hardly amplified, and costs stay positive', () => {
  const random = normal(9)
  const trials = 50
  let sum = 0
  for (let trial = 0; trial < trials; trial++) {
    const wholes = children(4).map((layers) => childSlower(measured(costTable, layers), 1 + 0.02 * random()))
    const { table } = calibrate(costTable, parent, wholes)
    const others = children(24)
      .slice(4)
      .map((layers) => measured(costTable, layers))
    sum += residual(table, parent, others).rms / trials
    for (const own of [table.floor, ...Object.values(table.attention), ...Object.values(table.ffn)])
      expect(Math.min(own.prefillSeconds, own.decodeSeconds)).toBeGreaterThanOrEqual(0)
  }
  // One and a half times the noise of one measurement.
  expect(sum).toBeLessThan(0.03)
})

test('where two factors would only follow the noise, costs still follow the speed of the machine', () => {
  const random = normal(11)
  const truth = changed(1.3, 1.3)
  let alike = 0
  for (let trial = 0; trial < 20; trial++) {
    const wholes = children(3).map((layers) => childSlower(measured(truth, layers), 1 + 0.04 * random()))
    const { table, calibration } = calibrate(costTable, parent, wholes)
    expect(Math.abs(runtime(totalCost(table, parent)) / runtime(totalCost(truth, parent)) - 1)).toBeLessThan(0.1)
    const { prefill, decode, before, after } = calibration
    if (prefill.parent !== prefill.others || decode.parent !== decode.others) continue
    alike++
    // The ratios hardly change by it: only what is not in layers does not follow.
    expect(after.rms).toBeLessThan(before.rms + 0.02)
  }
  expect(alike).toBeGreaterThan(0)
  expect(alike).toBeLessThan(20)
})
