import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { rejection, type Handle } from './rig.js'
import { fanOut } from './fan-out.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(3)

const spec = (factor: number) => `${fanOut(['a1', 'a2', 'b1'], factor)}    sum: { uses: echo, needs: [each] }
`

test.for<[string, number, (run: Handle) => Promise<unknown>]>([
  ['by its update', 2, (run) => run.executeUpdate('cancel')],
  ["by Temporal's own cancel", 3, (run) => run.cancel()],
  [
    'while it is paused',
    4,
    async (run) => {
      await run.executeUpdate('pause')
      await run.executeUpdate('cancel')
    },
  ],
])(
  'a search that is cancelled %s ends as cancelled, keeps what is done, and goes on when it is started again',
  async ([how, factor, cancel]) => {
    const name = `cancel-${factor}`
    const run = await rig.run(name, spec(factor))
    const calls = [await rig.steps.nextCall(), await rig.steps.nextCall(), await rig.steps.nextCall()]
    const [first, ...others] = calls
    first!.finish()
    while ((await rig.inFlight(run)).length > 2);
    await cancel(run)
    expect(await Promise.all(others.map(({ ended }) => ended))).toEqual(['aborted', 'aborted'])
    expect(explain(await rejection(run.result())).json, how).toEqual({
      kind: 'Cancelled',
      exitCode: 130,
      message: 'The run was cancelled.',
    })
    expect((await run.describe()).status.name).toBe('CANCELLED')
    expect(await rig.status(run)).toBe('cancelled')

    // At once: no group of the old run is in the way.
    const again = await rig.run(name, spec(factor))
    const rest = [await rig.steps.nextCall(), await rig.steps.nextCall()]
    expect(rest.map(({ name }) => name).sort()).toEqual(others.map(({ name }) => name).sort())
    expect(rest.map(({ info }) => info.found)).toEqual([['saved'], ['saved']])
    rest.forEach((call) => call.finish())
    expect((await rig.outputs(again)).each!.values.total).toBe(3 * factor)
  },
)

test('a search that is terminated with its groups leaves nothing that is in the way of the next run', async () => {
  const run = await rig.run('terminated', spec(5))
  const calls = [await rig.steps.nextCall(), await rig.steps.nextCall(), await rig.steps.nextCall()]
  await run.terminate()
  const again = await rig.run('terminated', spec(5))
  expect(await Promise.all(calls.map(({ ended }) => ended))).toEqual(['aborted', 'aborted', 'aborted'])
  await rig.steps.finish(3)
  expect((await rig.outputs(again)).each!.values.total).toBe(15)
})
