import { expect, inject, test } from 'vitest'
import { Place } from '../cli/puzzleflow.js'
import { refusal } from './rig.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
let worker = await rig.startWorker(3)

/** A group of two and a task alone, then one more stage. */
const spec = (note: string) => `
items: [a1, a2, b1, b2, c1]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: 2 } }
    after: { uses: step, needs: [each], with: { note: ${note} } }
`

test('a paused search stops its tasks with a checkpoint and begins none, in groups and alone; resumed, it goes on there', async () => {
  const run = await rig.run('paused', spec('paused'), { concurrency: 3 })
  const calls = await rig.steps.nextCalls(3)
  expect(calls.map(({ name }) => name).sort()).toEqual(['each/a1', 'each/b1', 'each/c1'])
  expect(await run.executeUpdate('pause')).toBe('Paused: running tasks save a checkpoint and stop.')
  expect(await Promise.all(calls.map(({ ended }) => ended))).toEqual(['aborted', 'aborted', 'aborted'])
  while ((await rig.inFlight(run)).length > 0);
  expect(rig.steps.waiting).toBe(0)
  expect(await rig.status(run)).toBe('paused')
  expect((await rig.details(run)).split('\n')[0]).toMatch(/\*\*Paused\.\*\*/)
  const { code, stdout } = await new Place(rig.folder, inject('stateHome')).run('status', 'paused')
  expect({ code, head: stdout.split('\n')[0] }).toMatchObject({
    code: 0,
    head: expect.stringMatching(/^paused\tPAUSED\t/) as string,
  })

  expect(await run.executeUpdate('resume')).toBe('Resumed.')
  const again = await rig.steps.nextCalls(3)
  expect(again.map(({ name }) => name).sort()).toEqual(calls.map(({ name }) => name).sort())
  expect(again.map(({ info }) => info.found)).toEqual([['saved'], ['saved'], ['saved']])
  expect(await rig.status(run)).toBe('running')
  again.forEach((call) => call.finish())
  await rig.steps.finish(3)
  expect((await rig.outputs(run)).each!.values.total).toBe(10)
  expect(await rig.status(run)).toBe('done')
})

test('what makes no sense is refused before it is in the history', async () => {
  const run = await rig.run('refused', spec('refused'))
  const events = async () =>
    (await run.fetchHistory()).events!.filter((e) => e.workflowExecutionUpdateAcceptedEventAttributes)
  const call = await rig.steps.nextCall()
  expect(await refusal(run.executeUpdate('resume'))).toBe('It is not paused.')
  expect(await events()).toHaveLength(0)
  await run.executeUpdate('pause')
  expect(await refusal(run.executeUpdate('pause'))).toBe('It is already paused.')
  expect(await events()).toHaveLength(1)
  await call.ended
  await run.executeUpdate('resume')
  await rig.steps.finish(1)
  await run.result()
})

test('a pause outlasts its worker, even one that is killed before its tasks have stopped', async () => {
  const run = await rig.run('outlasts', spec('outlasts').replace('factor: 2', 'factor: 3'), { concurrency: 3 })
  const calls = await rig.steps.nextCalls(3)
  await run.executeUpdate('pause')
  await worker.kill()
  await Promise.all(calls.map(({ ended }) => ended))
  worker = await rig.startWorker(3)
  // The attempts of the dead worker are no failures; those that were begun again before the server was told, stop too.
  while ((await rig.inFlight(run)).length > 0);
  while (rig.steps.waiting > 0) await (await rig.steps.nextCall()).ended
  expect(await rig.status(run)).toBe('paused')
  await run.executeUpdate('resume')
  // One of each group: none is finished before all run, or a group would be through before another has begun.
  const first = await rig.steps.nextCalls(3)
  first.forEach((call) => call.finish())
  const going = await rig.steps.nextCalls(2)
  expect([...first, ...going].map(({ name }) => name).sort()).toEqual([
    'each/a1',
    'each/a2',
    'each/b1',
    'each/b2',
    'each/c1',
  ])
  await worker.kill()
  await Promise.all(going.map(({ ended }) => ended))
  worker = await rig.startWorker(3)
  // Resumed, not paused, on the next worker too.
  await rig.steps.finish(3)
  expect((await rig.outputs(run)).each!.values.total).toBe(15)
})
