import { expect, test } from 'vitest'
import { costTableOf, type TimedTask } from '../../puzzle/cost-table.js'
import { distinctVariants } from '../../puzzle/block-timing.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { fakeSpace } from '../stages/fakes.js'
import { openTiny } from '../model/tiny.js'

const model = await openTiny()
const scenario = { batch: 2, prefill: 4, generate: 12 }
const split = (seconds: number) => ({ prefillSeconds: seconds / 4, decodeSeconds: (3 * seconds) / 4 })
/** The table where a linear attention takes so many seconds in a session in which the parent's takes `usual`; four in the others. */
function tableOf(linear: number, error: number, usual = 4) {
  const of = (id: string): TimedTask => ({
    ...{ fingerprint: {}, error: id.endsWith('linear') ? error : 0.1, passes: 8 },
    ...(id.endsWith('linear') ? { first: split(usual), second: split(linear) } : { first: split(4) }),
  })
  const parts = distinctVariants(model, fakeSpace, makeRuns())
  return costTableOf(model, scenario, { parts, heads: [], children: [], of }).table
}

test('a block costs its share of the parent’s time in the same session, of what the parent’s takes', () => {
  expect(tableOf(1, 0.2).attention.linear).toMatchObject({ prefillSeconds: 0.25, decodeSeconds: 0.75, error: 0.2 })
})

test('a machine that was slower in one session does not matter', () => {
  const slow = tableOf(1.5, 0.2, 6).attention
  expect(slow.linear!.prefillSeconds + slow.linear!.decodeSeconds).toBeCloseTo((1.5 / 6) * 5, 9)
  // The median of both sessions that timed the parent's.
  expect(slow.parent!.prefillSeconds + slow.parent!.decodeSeconds).toBeCloseTo(5, 9)
})

test('a block whose time was lost in noise is not free: it costs what its interval does not rule out', () => {
  expect(tableOf(0, 0.2).attention.linear).toMatchObject({
    prefillSeconds: expect.closeTo(0.05, 12) as number,
    decodeSeconds: expect.closeTo(0.15, 12) as number,
  })
})

test('what removes a block costs nothing', () => {
  expect(tableOf(0, 0.2).attention['no-op']).toMatchObject({ prefillSeconds: 0, decodeSeconds: 0 })
})
