import { expect, test } from 'vitest'
import { costTableOf, type TimedTask } from '../../puzzle/cost-table.js'
import { distinctVariants } from '../../puzzle/block-timing.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { fakeSpace } from '../stages/fakes.js'
import { openTiny } from '../model/tiny.js'

const model = await openTiny()
const scenario = { batch: 2, prefill: 4, generate: 12 }
const timed = (seconds: number, error: number): TimedTask => ({
  ...{ fingerprint: {}, error, passes: 8 },
  first: { prefillSeconds: seconds / 4, decodeSeconds: (3 * seconds) / 4 },
})
/** The table where a linear attention saves so many seconds of the parent's four. */
function tableOf(saved: number, error: number) {
  const of = (id: string) => timed(id.endsWith('linear') ? saved : 4, id.endsWith('linear') ? error : 0.1)
  const parts = distinctVariants(model, fakeSpace, makeRuns())
  return costTableOf(model, scenario, { parts, heads: [], children: [], of }).table
}

test('a block costs what the parent’s does less what it saves', () => {
  expect(tableOf(3, 0.2).attention.linear).toMatchObject({ prefillSeconds: 0.25, decodeSeconds: 0.75, error: 0.2 })
})

test('a block whose time was lost in noise is not free: it costs what its interval does not rule out', () => {
  expect(tableOf(4.3, 0.2).attention.linear).toMatchObject({
    prefillSeconds: expect.closeTo(0.05, 12) as number,
    decodeSeconds: expect.closeTo(0.15, 12) as number,
  })
})

test('what removes a block costs nothing', () => {
  expect(tableOf(4.3, 0.2).attention['no-op']).toMatchObject({ prefillSeconds: 0, decodeSeconds: 0 })
})
