/** What people say about single tasks: try again, leave out. */
import { expect, test } from 'vitest'
import { refusal } from './rig.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(4)

/** Group `a` and a task alone, another list each time; retries come after an hour. */
const spec = (stage: 'each' | 'some', letter: string) => `
items: [${letter}1, ${letter}2, z${letter}]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    ${stage}: { needs: [source], retry: { initialInterval: 1 h, maximumInterval: 1 h } }
`
const byName = <T extends { readonly name: string }>(calls: readonly T[]) =>
  Object.fromEntries(calls.map((call) => [call.name, call]))

/** The attempt that the server gives a task next, when it waits between two. */
async function backsOff(id: string, task: string): Promise<void> {
  for (;;) {
    const { raw } = await rig.client.workflow.getHandle(id).describe()
    const found = raw.pendingActivities?.find(({ activityId }) => activityId === task)
    if (found?.attempt === 2) return
  }
}

test('a task that waits for its next attempt, and one that runs, are tried again at once; in a group and alone', async () => {
  // With patience: an attempt that is taken for lost would wait for an hour.
  const run = await rig.run('retry', spec('each', 'a'), { heartbeat: 60 })
  const calls = byName(await rig.steps.nextCalls(3))
  for (const task of ['each/a1', 'each/za']) calls[task]!.fail('not yet')
  await backsOff(`${run.workflowId}/each/a`, 'each/a1')
  await backsOff(run.workflowId, 'each/za')
  for (const task of ['each/a1', 'each/za']) {
    expect(await run.executeUpdate('retry', { args: [{ task }] })).toBe(`${task} is tried again, unless it is done.`)
    const again = await rig.steps.nextCall()
    expect(again.name).toBe(task)
    again.finish()
  }
  await run.executeUpdate('retry', { args: [{ task: 'each/a2' }] })
  expect(await calls['each/a2']!.ended).toBe('aborted')
  const again = await rig.steps.nextCall()
  expect(again.info).toMatchObject({ task: 'a2', found: ['saved'] })
  again.finish()
  expect((await rig.outputs(run)).each!.values.total).toBe(3)
})

test('a task of a stage that can do without is left out, running or not, and the result says so and why', async () => {
  const run = await rig.run('skip', spec('some', 'b'), { concurrency: 1 })
  const first = await rig.steps.nextCall()
  expect(first.name).toBe('some/b1')
  await run.executeUpdate('skip', { args: [{ task: 'some/zb', reason: 'too large' }] })
  await run.executeUpdate('skip', { args: [{ task: 'some/b1' }] })
  expect(await first.ended).toBe('aborted')
  expect(await rig.steps.finish(1)).toEqual(['some/b2'])
  expect((await rig.outputs(run)).some!.values).toEqual({
    done: ['b2'],
    skipped: [
      { task: 'b1', reason: 'left out by hand' },
      { task: 'zb', reason: 'too large' },
    ],
  })
  expect(rig.steps.waiting).toBe(0)
  expect(await rig.details(run)).toContain('| some | done | 3\u00a0/\u00a03 |  | 2 |')
})

test('what was left out is done when the same search runs again', async () => {
  const run = await rig.run('again', spec('some', 'b'))
  expect(await rig.steps.finish(2)).toEqual(['some/b1', 'some/zb'])
  expect((await rig.outputs(run)).some!.values).toEqual({ done: ['b1', 'b2', 'zb'], skipped: [] })
})

test('choices that cannot be made are refused, saying why', async () => {
  const run = await rig.run('refused', spec('each', 'c'))
  const calls = await rig.steps.nextCalls(3)
  const refused = (name: string, argument?: unknown) =>
    refusal(run.executeUpdate(name, { args: [argument] as [object] }))
  expect(await refused('skip', { task: 'each/c1' })).toBe('Stage each cannot do without any of its tasks.')
  for (const name of ['skip', 'retry']) {
    expect(await refused(name, { task: 'nothing/c1' })).toBe(
      'No stage has the task "nothing/c1": task names look like source/TASK.',
    )
    expect(await refused(name, { task: 'each/c9' })).toBe('Stage each has no unfinished task "c9".')
    expect(await refused(name, { task: 'source' })).toBe('Stage source has no unfinished task "source".')
    expect(await refused(name)).toMatch(/^No stage has the task ""/)
  }
  expect(await refused('approve', { stage: 'each', approved: true })).toBe('Stage each does not wait for approval.')
  expect(await refused('approve', { stage: 'each' })).toBe('"approved" must be true or false.')
  calls.forEach((call) => call.finish())
  await run.result()
})
