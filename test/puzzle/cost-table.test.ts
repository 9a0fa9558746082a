import { expect, test } from 'vitest'
import { costTableOf, type TimedTask } from '../../puzzle/cost-table.js'
import { runtime } from '../../puzzle/costs.js'
import { distinctVariants } from '../../puzzle/block-timing.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { fakeSpace } from '../stages/fakes.js'
import { openTiny } from '../model/tiny.js'

const model = await openTiny()
const scenario = { batch: 2, prefill: 4, generate: 12 }
const split = (seconds: number) => ({ prefillSeconds: seconds / 4, decodeSeconds: (3 * seconds) / 4 })
const noise = { usual: 4, firstError: 0, decode: 1 }
/** The table where a linear attention takes so many seconds in a session in which the parent's takes `usual`; four in the others. */
function tableOf(linear: number, error: number, changes: Partial<typeof noise> = {}) {
  const { usual, firstError, decode } = { ...noise, ...changes }
  const { prefillSeconds, decodeSeconds } = split(linear)
  const second = { prefillSeconds, decodeSeconds: decode * decodeSeconds }
  const of = (id: string): TimedTask => ({
    ...{ fingerprint: {}, error: id.endsWith('linear') ? error : 0.1, passes: 8 },
    ...(id.endsWith('linear') ? { first: split(usual), second, firstError } : { first: split(4) }),
  })
  const parts = distinctVariants(model, fakeSpace, makeRuns())
  return costTableOf(model, scenario, { parts, heads: [], children: [], of }).table
}

test('a block costs its share of the parent’s time in the same session, of what the parent’s takes', () => {
  expect(tableOf(1, 0.2).attention.linear).toMatchObject({ prefillSeconds: 0.25, decodeSeconds: 0.75, error: 0.2 })
})

const seconds = (id: 'linear' | 'parent', { attention }: ReturnType<typeof tableOf>) => runtime(attention[id]!)

test('a machine that was slower in one session does not matter', () => {
  const slow = tableOf(1.5, 0.2, { usual: 6 })
  expect(seconds('linear', slow)).toBeCloseTo((1.5 / 6) * 4, 9)
  // Of two sessions the faster one counts: noise only ever adds.
  expect(seconds('parent', slow)).toBeCloseTo(4, 9)
})

test('the noise of the parent’s block beside a block is part of the noise of its cost', () => {
  const { error } = tableOf(1, 0.03, { firstError: 0.16 }).attention.linear!
  // 3 % and 4 % of a cost of 1.
  expect(error).toBeCloseTo(0.05, 9)
})

test('beside a parent’s block that was lost in noise, a block costs what it took, and that session says nothing of the parent’s', () => {
  const table = tableOf(1, 0.2, { usual: 1e-6, firstError: 0.1 })
  expect(seconds('linear', table)).toBeCloseTo(1, 9)
  expect(seconds('parent', table)).toBeCloseTo(4, 9)
})

test('a block whose time was lost in noise is not free: it costs as much as its interval is wide', () => {
  expect(tableOf(0, 0.15).attention.linear).toMatchObject({
    // Prefill takes four tokens and returns the first of twelve that are generated.
    prefillSeconds: expect.closeTo(0.04, 12) as number,
    decodeSeconds: expect.closeTo(0.11, 12) as number,
    lost: true,
  })
})

test('a block whose time is smaller than its noise costs no less than one that took none', () => {
  expect(tableOf(0.001, 0.15).attention.linear).toMatchObject({ lost: true })
  expect(seconds('linear', tableOf(0.001, 0.15))).toBeGreaterThanOrEqual(0.15)
  expect(tableOf(0.16, 0.15).attention.linear).not.toHaveProperty('lost')
})

test('a block that was lost in more noise than the parent’s takes costs as much as the parent’s: nothing is gained by it', () => {
  expect(tableOf(0, 50).attention.linear).toMatchObject({ lost: true, error: 50 })
  expect(seconds('linear', tableOf(0, 50))).toBeCloseTo(4, 9)
})

test('a block whose decoding alone vanished in noise is not free to decode', () => {
  const { prefillSeconds, decodeSeconds } = tableOf(4, 0.15, { decode: 0 }).attention.linear!
  expect(prefillSeconds).toBeCloseTo(1, 9)
  expect(decodeSeconds).toBeCloseTo(0.11, 9)
})

test('where one token is generated, what was lost in noise is prefill', () => {
  const parts = distinctVariants(model, fakeSpace, makeRuns())
  const nothing = { prefillSeconds: 0, decodeSeconds: 0 }
  const of = (): TimedTask => ({ fingerprint: {}, first: nothing, second: nothing, error: 0.1, passes: 8 })
  const { table } = costTableOf(model, { ...scenario, generate: 1 }, { parts, heads: [], children: [], of })
  expect(table.attention.linear).toMatchObject({ prefillSeconds: 0.1, decodeSeconds: 0, lost: true })
})

test('what removes a block costs nothing', () => {
  expect(tableOf(0, 0.2).attention['no-op']).toMatchObject({ prefillSeconds: 0, decodeSeconds: 0 })
})
