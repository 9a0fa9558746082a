import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { Handle } from './rig.js'
import { fanOut } from './fan-out.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker()
let first: Handle
beforeAll(async () => {
  first = await rig.run('first', spec())
  await rig.steps.finish(3, (task) => values[task]!)
})

/** Fan-out over items in two groups, gather, and a stage that takes a value of it. */
const sum = `    sum: { uses: echo, needs: [each], with: { total: '\${{ stages.each.outputs.total }}' } }
`
const spec = (factor = 2) => fanOut(['a1', 'a2', 'b1'], factor) + sum
const values: Readonly<Record<string, number>> = { a1: 1, a2: 10, b1: 100 }

test('stages run in the order of their needs: fan-out, gather, and a value of one in the parameters of the next', async () => {
  const outputs = await rig.outputs(first)
  expect(outputs.source!.values).toEqual({ items: ['a1', 'a2', 'b1'] })
  expect(outputs.each!.values).toEqual({ total: 222, items: ['a1', 'a2', 'b1'] })
  expect(outputs.sum!.values).toEqual({ params: { total: 222 }, needs: ['each'] })
  expect(await rig.store.readJson(outputs.each!.files.a2!)).toEqual({ item: 'a2', value: 20 })
  expect(await rig.progress(first)).toEqual({
    source: '1 done, 0 reused',
    each: '3 done, 0 reused',
    sum: '1 done, 0 reused',
  })
})

test('a run of the same spec does nothing again, and has the same outputs', async () => {
  const before = await rig.outputs(first)
  const again = await rig.run('second', spec())
  expect(await rig.outputs(again)).toEqual(before)
  expect(await rig.progress(again)).toEqual({
    source: '1 done, 1 reused',
    each: '3 done, 3 reused',
    sum: '1 done, 1 reused',
  })
})

test('a changed parameter reruns its stage and those after it, no others', async () => {
  const run = await rig.run('changed', spec(3))
  expect(await rig.steps.finish(3, (task) => values[task]!)).toEqual(['each/a1', 'each/a2', 'each/b1'])
  expect((await rig.outputs(run)).sum!.values.params).toEqual({ total: 333 })
  expect(await rig.progress(run)).toMatchObject({ source: '1 done, 1 reused', each: '3 done, 0 reused' })
})

test('a stage finds what it needs under another name, and expressions name the stage itself', async () => {
  const named = sum.replace('[each]', '[each as parts]')
  const run = await rig.run('named', fanOut(['a1', 'a2', 'b1'], 2) + named)
  expect((await rig.outputs(run)).sum!.values).toEqual({ params: { total: 222 }, needs: ['parts'] })
  expect(await rig.progress(run)).toMatchObject({ each: '3 done, 3 reused', sum: '1 done, 0 reused' })
})

test('two runs of one spec at the same time do each task once', async () => {
  const runs = [await rig.run('one', spec(5)), await rig.run('other', spec(5))]
  expect(await rig.steps.finish(3)).toEqual(['each/a1', 'each/a2', 'each/b1'])
  const [one, other] = await Promise.all(runs.map((run) => rig.outputs(run)))
  expect(other).toEqual(one)
  expect(rig.steps.waiting).toBe(0)
})

test('a group tells of its tasks one by one: how many are done, and how long the others will take', async () => {
  const run = await rig.run('parts', spec(5).replace('[a1, a2, b1]', '[p1, p2, p3, p4]'))
  const each = async (done: number) =>
    (await rig.until(run, ({ stages }) => stages[1]!.done === done && stages[1]!.total === 4)).stages[1]!
  expect((await each(0)).secondsLeft).toBeUndefined()
  for (const done of [1, 2, 3]) {
    await rig.steps.finish(1)
    expect((await each(done)).secondsLeft).toBeGreaterThan(0)
  }
  await rig.steps.finish(1)
  await run.result()
  expect(await rig.progress(run)).toMatchObject({ each: '4 done, 0 reused' })
  expect((await each(4)).secondsLeft).toBeUndefined()
})

test('an artifact that was damaged between runs is set aside and made anew', async () => {
  const part = (await rig.outputs(first)).each!.files.a2!
  const path = await rig.store.path(part)
  const whole = readFileSync(path)
  writeFileSync(path, 'damaged')
  const run = await rig.run('damaged', spec())
  expect(await rig.steps.finish(1, (task) => values[task]!)).toEqual(['each/a2'])
  expect((await rig.outputs(run)).each!.values.total).toBe(222)
  expect(readFileSync(path)).toEqual(whole)
  expect(readFileSync(join(rig.store.root, 'corrupt', part.digest), 'utf8')).toBe('damaged')
  expect(await rig.progress(run)).toMatchObject({ each: '3 done, 2 reused', sum: '1 done, 1 reused' })
})

test('the Temporal UI shows what is searched, where it stands, and what every activity does', async () => {
  await first.result()
  const run = await rig.run('shown', spec())
  await run.result()
  const description = await run.describe()
  expect(await description.staticSummary()).toBe('test: test')
  expect(await description.staticDetails()).toMatch(
    /^Run `shown` of `test.yaml`, digest `[0-9a-f]{12}`\. Stages: source, each, sum\.$/,
  )
  const attributes = Object.fromEntries(
    description.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
  )
  expect(attributes).toMatchObject({
    PuzzleModel: 'test',
    PuzzleSpec: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    PuzzleStage: 'none',
    PuzzleProgress: 1,
    PuzzleStatus: expect.any(String) as string,
  })
  const metadata = await run.query<{ currentDetails: string }>('__temporal_workflow_metadata')
  expect(metadata.currentDetails).toBe(`**100 %** of the stages' tasks are done. At most 32 tasks of a stage in flight.

| stage | state | tasks | reused | left out | seconds of work | time |
|---|---|---:|---:|---:|---:|---|
| source | done | 1\u00a0/\u00a01 | 1 |  |  |  |
| each | done | 3\u00a0/\u00a03 | 3 |  |  |  |
| sum | done | 1\u00a0/\u00a01 | 1 |  |  |  |`)
  const summaries = async (id: string) => {
    const { events } = await rig.client.workflow.getHandle(id).fetchHistory()
    return (events ?? [])
      .filter(
        (event) =>
          event.activityTaskScheduledEventAttributes ?? event.startChildWorkflowExecutionInitiatedEventAttributes,
      )
      .map(({ userMetadata }) => JSON.parse(Buffer.from(userMetadata?.summary?.data ?? []).toString()) as string)
  }
  // What a plan has found in the store is no activity.
  const again = ['source', 'each', 'sum'].flatMap((stage) => [`${stage}: plan`, `${stage}: gather`])
  expect(await summaries(run.workflowId)).toEqual(again)
  expect(await summaries(first.workflowId)).toEqual([
    'source: plan',
    'source: source',
    'source: gather',
    'each: plan',
    'each: a, 2 tasks',
    'each: item b1',
    'each: gather',
    'sum: plan',
    'sum: sum',
    'sum: gather',
  ])
  expect(await summaries(`${first.workflowId}/each/a`)).toEqual(['each: item a1', 'each: item a2'])
  const group = await rig.client.workflow
    .getHandle(`${first.workflowId}/each/a`)
    .query<{ currentDetails: string }>('__temporal_workflow_metadata')
  expect(group.currentDetails).toBe('each, a: 2 of 2 tasks done')
})
