import { expect, test } from 'vitest'
import { Lanes } from '../../workflows/lanes.js'
import { refusal } from './rig.js'
import { fanOut } from './fan-out.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(8)

test.for([
  ['of a group', ['a1', 'a2', 'a3', 'a4', 'a5'], 2],
  ['without groups', ['a1', 'b1', 'c1', 'd1', 'e1'], 3],
  ['of two groups', ['a1', 'a2', 'a3', 'b1', 'b2'], 4],
] as const)(
  'as many tasks %s are in flight as it is told: more at once, fewer when those that run are done',
  async ([_, items, factor]) => {
    const run = await rig.run(`flight-${factor}`, fanOut(items, factor), { concurrency: 2 })
    const two = await rig.steps.nextCalls(2)
    expect(await rig.inFlight(run)).toHaveLength(2)
    expect(await run.executeUpdate('concurrency', { args: [4] })).toBe('At most 4 tasks in flight.')
    const four = [...two, ...(await rig.steps.nextCalls(2))]
    expect(await rig.inFlight(run)).toHaveLength(4)
    await run.executeUpdate('concurrency', { args: [1] })
    // Three end; the fifth must wait until the fourth has. Of two groups one has lost its place: its tasks are let end.
    const fourth = four.findLast(({ info }) => info.task.startsWith('a'))!
    for (const call of four) if (call !== fourth) call.finish()
    while ((await rig.inFlight(run)).length > 1);
    expect(await rig.inFlight(run)).toEqual([fourth.name])
    fourth.finish()
    await rig.steps.finish(1)
    expect((await rig.outputs(run)).each!.values.total).toBe(5 * factor)
    expect(await rig.until(run, () => true)).toMatchObject({ concurrency: 1 })
  },
)

test.for([[0], [-1], [1.5], [1001], ['8'], [null], []])('a concurrency of %j is refused', async (args) => {
  const run = await rig.run('bad', fanOut(['a1'], 5))
  expect(await refusal(run.executeUpdate('concurrency', { args: args as [number] }))).toBe(
    'It must be a whole number from 1 to 1000.',
  )
})

test('lanes share what may be in flight, and follow when it changes', () => {
  const lanes = new Lanes<string>(3, 8)
  for (const group of ['a', 'b', 'c']) lanes.enter(group)
  const windows = () => ['a', 'b', 'c'].map((group) => lanes.window(group))
  expect(windows()).toEqual([3, 3, 2])
  lanes.setConcurrency(2)
  expect(windows()).toEqual([1, 1, 0])
  expect(lanes.free).toBe(false)
  lanes.leave('a')
  // What stood still takes the place, before anything else begins.
  expect(lanes.window('c')).toBe(1)
  expect(lanes.free).toBe(false)
  lanes.setConcurrency(3)
  expect(lanes.free).toBe(true)
})
