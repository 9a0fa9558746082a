/** Stages of more tasks than one message or one history holds. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { bounds, checkTasks, pagesOf } from '../../activities/pages.js'
import type { TaskPlan } from '../../api/index.js'
import type { SearchProgress } from '../../workflows/types.js'
import { serverTimeout, testServer } from '../temporal.js'
import { refusal, rejection, Rig } from './rig.js'

vi.setConfig({ testTimeout: 120_000 })

const tasks = (count: number, own: (i: number) => Partial<TaskPlan> = () => ({})): TaskPlan[] =>
  Array.from({ length: count }, (_, i) => ({ id: `${i}`, label: `number ${i}`, params: {}, inputs: {}, ...own(i) }))
const most = (pages: ReturnType<typeof pagesOf>) => Math.max(...pages!.map(({ from, to }) => to - from))

test.for([
  ['no tasks', tasks(0), 0],
  ['a few tasks', tasks(60), 0],
  ['as many groups as a model of forty layers has', tasks(2000, (i) => ({ group: `layer${i % 40}` })), 0],
  ['as many as a model of eighty has', tasks(4320, (i) => ({ group: `layer${i % 80}` })), 31],
  ['tasks that only a few more are', tasks(141), 2],
  ['12,000 tasks', tasks(12_000), 86],
  ['100,000 tasks', tasks(100_000), 715],
  ['a group that is too large', tasks(1200, () => ({ group: 'all' })), 9],
  ['too many groups', tasks(1200, (i) => ({ group: `pair${Math.floor(i / 2)}` })), 9],
  ['names too long for one message', tasks(4000, (i) => ({ id: 'x'.repeat(450) + i, group: `layer${i % 40}` })), 29],
] as const)('%s', ([, list, pages]) => {
  const found = pagesOf(list, bounds)
  expect(found?.length ?? 0).toBe(pages)
  if (!found) return
  // One after the other, all of them.
  expect(found.map(({ from }) => from)).toEqual([0, ...found.slice(0, -1).map(({ to }) => to)])
  expect(found.at(-1)!.to).toBe(list.length)
  expect(most(found)).toBeLessThanOrEqual(bounds.together)
})

test.for([
  [tasks(100_001), 'The stage s planned 100001 tasks; a stage can have at most 100000'],
  [tasks(2, () => ({ id: 'same' })), 'The stage s planned two tasks "same"'],
  [
    tasks(1, () => ({ id: 'é'.repeat(251) })),
    `The stage s planned a task whose name has 502 bytes; the limit is 500: "${'é'.repeat(40)}…"`,
  ],
  [
    tasks(1, () => ({ group: 'g'.repeat(501) })),
    `The stage s planned a group whose name has 501 bytes; the limit is 500: "${'g'.repeat(40)}…"`,
  ],
] as const)('what cannot be done is refused before any of it begins: %#', ([list, message]) => {
  expect(() => checkTasks('s', list, bounds)).toThrow(message)
})

let rig: Rig
beforeAll(async () => {
  rig = await Rig.create(await testServer())
  await rig.startWorker(4, { env: { PUZZLEFLOW_TEST_PAGE: '3' } })
}, serverTimeout)
afterAll(() => rig.close())

const many = (parameters: string, execution = '') => `
pipeline:
  stages:
    many: { with: { ${parameters} }${execution} }
`
const stageOf = ({ stages }: SearchProgress) => stages[0]!
/** Workflows that a run has had for its pages. */
async function pagesOfRun(workflowId: string): Promise<number> {
  const { events } = await rig.client.workflow.getHandle(workflowId).fetchHistory()
  return events!.filter((event) => event.startChildWorkflowExecutionInitiatedEventAttributes).length
}

test('a list in pages runs to its end, is gathered in its order, and all of it is reused', async () => {
  const run = await rig.run('pages', many('count: 10'))
  expect((await rig.outputs(run)).many!.values).toEqual({ total: 45, done: 10, skipped: [] })
  expect(await pagesOfRun(run.workflowId)).toBe(4)
  expect(stageOf(await run.query('progress'))).toMatchObject({ state: 'done', done: 10, total: 10, reused: 0 })
  const again = await rig.run('pages', many('count: 11'))
  expect((await rig.outputs(again)).many!.values).toEqual({ total: 55, done: 11, skipped: [] })
  expect(stageOf(await again.query('progress'))).toMatchObject({ done: 11, total: 11, reused: 10 })
})

test('those of a list in pages that fail are left out, in the order of the tasks, and counted', async () => {
  const run = await rig.run('fails', many('count: 10, failEvery: 4, offset: 100', ', onFailure: continue'))
  const skipped = ['task-100', 'task-104', 'task-108']
  const { done, skipped: left } = (await rig.outputs(run)).many!.values
  expect({ done, left }).toEqual({ done: 7, left: skipped })
  const { leftOut, skipped: some } = stageOf(await run.query('progress'))
  expect({ leftOut, some: some.map(({ task }) => task).sort() }).toEqual({ leftOut: 3, some: skipped })
})

test('too many left out of a list in pages end the run', async () => {
  const policy = ', onFailure: continue, minimumSuccess: 80%'
  const run = await rig.run('least', many('count: 10, failEvery: 2, offset: 200', policy))
  const { cause } = await rejection(run.result())
  expect((cause as Error).message).toMatch(
    /^Stage many: \d of 10 tasks are left out, but 8 must succeed\. task-2\d\d: 2\d\d is not a valid number for this\.$/,
  )
})

test('a task of a list in pages waits for a decision, whichever its page, and one that is not there is refused', async () => {
  const run = await rig.run('waits', many('count: 10, failEvery: 5, offset: 300', ', onFailure: wait'))
  await rig.until(run, (progress) => stageOf(progress).waiting.length === 2)
  const none = { task: 'many/task-999' }
  expect(await refusal(run.executeUpdate('skip', { args: [none] }))).toBe(
    'Stage many has no unfinished task "task-999".',
  )
  for (const task of ['many/task-300', 'many/task-305'])
    expect(await run.executeUpdate('skip', { args: [{ task, reason: 'not needed' }] })).toBe(
      `${task} is left out, unless it is done.`,
    )
  expect((await rig.outputs(run)).many!.values).toMatchObject({ done: 8, skipped: ['task-300', 'task-305'] })
})
