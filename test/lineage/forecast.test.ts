import { expect, test } from 'vitest'
import { forecast } from '../../lineage/forecast.js'
import { loadPlugins } from '../engine/registry.js'
import { compile, rejection } from '../engine/rig.js'
import { fanOut } from '../engine/fan-out.js'
import { sharedRig } from '../engine/shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(3)

const spec = (factor: number) => fanOut(['a1', 'a2', 'b1'], factor)

test('tasks that will run are counted by reason, those that are done are not among them', async () => {
  await Promise.all([(await rig.run('first', spec(2))).result(), rig.steps.finish(3)])
  const run = await rig.run('second', spec(3))
  const calls = [await rig.steps.nextCall(), await rig.steps.nextCall(), await rig.steps.nextCall()]
  calls.find(({ info }) => info.task === 'b1')!.finish()
  while ((await rig.inFlight(run)).length > 2);
  await run.cancel()
  await rejection(run.result())
  const [, each] = await forecast(await compile(spec(3)), rig.store, loadPlugins())
  expect(each).toMatchObject({
    stage: 'each',
    tasks: 3,
    reused: 1,
    reasons: [{ tasks: 2, reason: 'factor 2 -> 3', example: 'a1' }],
  })
})

const checked = (limit: number, says = false) => `
pipeline:
  stages:
    check: { with: { limit: ${limit}, says: ${says} } }
    asked: { uses: approve, needs: [check], with: { question: 'Now, at ${limit}?' } }
    after: { uses: echo, needs: [check, asked] }
`

test('what comes after a check and a question is known before they are done again', async () => {
  const run = await rig.run('checked', checked(2))
  await rig.until(run, ({ stages }) => stages.some(({ state }) => state === 'asking'))
  await run.executeUpdate('approve', { args: [{ stage: 'asked', approved: true, by: 'someone' }] })
  await run.result()
  const stages = await forecast(await compile(checked(3)), rig.store, loadPlugins())
  expect(stages.map(({ stage, reused }) => [stage, reused])).toEqual([
    ['check', 0],
    ['asked', 0],
    ['after', 1],
  ])
})

test('a stage that only checks must not have outputs', async () => {
  const run = await rig.run('says', checked(2, true))
  const { cause } = await rejection(run.result())
  expect(String((cause as Error).cause)).toContain('check: The stage only checks, but returned "limit"')
})
