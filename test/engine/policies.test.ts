/** What a task that has failed for good does to its stage. */
import { expect, inject, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { Place } from '../cli/puzzleflow.js'
import { rejection, type Handle } from './rig.js'
import type { Call } from './steps.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(4)

let lists = 0
/** A stage over tasks that are new each time, grouped by letter. */
function fanOut(letters: string, stage: 'each' | 'some', policy: string) {
  lists++
  const items = [...letters].map((letter, i) => `${letter}${lists}x${i}`)
  const spec = `
items: [${items.join(', ')}]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    ${stage}: { needs: [source], ${policy} }
    after: { uses: echo, needs: [${stage}] }
`
  return { items, spec }
}
const messageOf = async (run: { result(): Promise<unknown> }) => explain(await rejection(run.result())).json.message
const kinds = [
  ['in groups', 'aabb'],
  ['alone', 'abcd'],
] as const

test.for(kinds)('fail-fast: the first failure ends all other tasks, %s', async ([name, letters]) => {
  const run = await rig.run(`fast-${name.replaceAll(' ', '')}`, fanOut(letters, 'each', 'onFailure: fail-fast').spec)
  const [first, ...others] = await rig.steps.nextCalls(4)
  first!.fail('Not this one.', 'NonFinite')
  expect(await Promise.all(others.map(({ ended }) => ended))).toEqual(['aborted', 'aborted', 'aborted'])
  expect(await messageOf(run)).toBe('Not this one.')
  expect(await rig.status(run)).toBe('failed')
})

test.for(kinds)(
  'finish-running: what runs finishes and is kept, nothing begins, then the run fails, %s',
  async ([name, letters]) => {
    const { spec } = fanOut(letters, 'each', 'onFailure: finish-running')
    const id = `finish-${name.replaceAll(' ', '')}`
    const run = await rig.run(id, spec, { concurrency: 3 })
    const [first, ...others] = await rig.steps.nextCalls(3)
    first!.fail('Not this one.', 'NonFinite')
    if (letters === 'aabb') await toldIn(run, first!)
    else while ((await rig.inFlight(run)).length > 2);
    expect((await run.describe()).status.name).toBe('RUNNING')
    others.forEach((call) => call.finish())
    expect(await messageOf(run)).toBe('Not this one.')
    expect(rig.steps.waiting).toBe(0)
    expect(rig.steps.seen.slice(-3).sort()).toEqual([first!, ...others].map((call) => call.name).sort())
    const again = await rig.run(id, spec)
    await rig.steps.finish(2)
    await again.result()
    expect(await rig.progress(again)).toMatchObject({ each: '4 done, 2 reused' })
  },
)
/** Returns when the other group has been told. */
async function toldIn(run: Handle, failed: Call): Promise<void> {
  const other = failed.info.task.startsWith('a') ? 'b' : 'a'
  const group = rig.client.workflow.getHandle(`${run.workflowId}/each/${other}`)
  for (;;) {
    const { events } = await group.fetchHistory()
    const told = events?.map((event) => event.workflowExecutionSignaledEventAttributes?.input?.payloads?.[0]?.data)
    if (told?.some((data) => data && Buffer.from(data).includes('"ending":true'))) return
  }
}

test.for(kinds)(
  'continue: failed tasks are left out as long as enough succeed, and the result says so, %s',
  async ([name, letters]) => {
    const { spec, items } = fanOut(letters, 'some', 'onFailure: continue, minimumSuccess: 50%')
    const run = await rig.run(`enough-${name.replaceAll(' ', '')}`, spec)
    const calls = await rig.steps.nextCalls(4)
    const bad = [items[0], items[2]]
    for (const call of calls) {
      if (bad.includes(call.info.task)) call.fail('It diverged.', 'NonFinite')
      else call.finish()
    }
    expect((await rig.outputs(run)).some!.values).toEqual({
      done: [items[1], items[3]],
      skipped: bad.map((task) => ({ task, reason: 'It diverged.' })),
    })
  },
)

test.for(kinds)('continue: too many failures end the run, %s', async ([name, letters]) => {
  const { spec } = fanOut(letters, 'some', 'onFailure: continue, minimumSuccess: 75%')
  const run = await rig.run(`few-${name.replaceAll(' ', '')}`, spec)
  const calls = await rig.steps.nextCalls(4)
  calls.forEach((call, i) => (i < 2 ? call.fail('It diverged.', 'NonFinite') : call.finish()))
  expect(await messageOf(run)).toMatch(
    /^Stage some: 2 of 4 tasks are left out, but 3 must succeed\. \w+: It diverged\.$/,
  )
})

test.for([
  ['in a group', 'aaaa'],
  ['alone', 'abcd'],
] as const)(
  'wait: a failed task waits for somebody, holding no place; it is tried again, or left out, %s',
  async ([name, letters]) => {
    const { spec, items } = fanOut(letters, 'some', 'onFailure: wait')
    const id = `wait-${name.replaceAll(' ', '')}`
    const run = await rig.run(id, spec, { concurrency: 1 })
    const [first, second, third, fourth] = items as [string, string, string, string]
    const fail = async () => (await rig.steps.nextCall()).fail('It diverged.', 'NonFinite', 'Lower the rate.')
    await fail()
    expect(await waiting(run, 1)).toEqual([first])
    expect(await rig.status(run)).toBe('needs a decision')
    const details = await rig.details(run)
    expect(details).toContain(`**some**: ${first}: It diverged. Remedy: Lower the rate.`)
    expect(details).toContain(
      `- waits for \`npx puzzleflow retry ${id} some/${first}\` or \`npx puzzleflow skip ${id} some/${first}\``,
    )
    const { stdout } = await new Place(rig.folder, inject('stateHome')).run('status', id)
    expect(stdout).toContain(
      `waits for: npx puzzleflow retry ${id} some/${first} or npx puzzleflow skip ${id} some/${first}`,
    )
    await fail()
    expect(await waiting(run, 2)).toEqual([first, second])
    await run.executeUpdate('skip', { args: [{ task: `some/${second}`, reason: 'hopeless' }] })
    expect(await waiting(run, 1)).toEqual([first])
    const running = await rig.steps.nextCall()
    expect(running.info.task).toBe(third)
    await run.executeUpdate('retry', { args: [{ task: `some/${first}` }] })
    expect(await waiting(run, 0)).toEqual([])
    running.finish()
    for (const task of [first, fourth]) {
      const call = await rig.steps.nextCall()
      expect(call.info.task).toBe(task)
      call.finish()
    }
    expect((await rig.outputs(run)).some!.values).toEqual({
      done: [first, third, fourth],
      skipped: [{ task: second, reason: 'hopeless' }],
    })
    expect(await rig.status(run)).toBe('done')
  },
)

/** Tasks that wait for a decision, when there are so many. */
async function waiting(run: Handle, count: number): Promise<readonly string[]> {
  const found = await rig.until(run, ({ stages }) => stages[1]!.waiting.length === count)
  return found.stages[1]!.waiting
}

test('a failure beside a stage that is to finish lets it finish, and nothing after the failed one begins', async () => {
  const run = await rig.run(
    'beside',
    `
pipeline:
  stages:
    bad: { uses: step, with: { note: bad }, onFailure: finish-running }
    good: { uses: step, with: { note: good } }
    after: { uses: step, needs: [bad], with: { note: after } }
`,
  )
  const calls = await rig.steps.nextCalls(2)
  calls.find(({ info }) => info.task === 'bad')!.fail('Not this one.', 'NonFinite')
  await rig.until(run, ({ stages }) => stages[0]!.state === 'failed')
  expect(await rig.status(run)).toBe('failing')
  expect(await rig.attribute(run, 'PuzzleStage')).toBe('bad, good')
  calls.find(({ info }) => info.task === 'good')!.finish()
  expect(await messageOf(run)).toBe('Not this one.')
  expect(await rig.attribute(run, 'PuzzleStage')).toBe('bad')
  expect(await rig.progress(run)).toEqual({
    bad: '0 done, 0 reused',
    good: '1 done, 0 reused',
    after: '0 done, 0 reused',
  })
})
