import { ApplicationFailure, type ActivityFailure, type ChildWorkflowFailure } from '@temporalio/common'
import type { WorkflowFailedError } from '@temporalio/client'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Rig } from './rig.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker()

let specs = 0
/** A pipeline of one step, another one each time; its retries come at once. */
const oneStep = () => `
pipeline:
  stages:
    step: { with: { note: '${++specs}' }, retry: { initialInterval: 10 ms, maximumInterval: 10 ms } }
`
const failureOf = async (run: { result(): Promise<unknown> }) =>
  run.result().then(
    () => expect.fail('The run should have failed'),
    (error: unknown) => error as WorkflowFailedError,
  )
const lastFailure = async (id: string) => {
  const { raw } = await rig.client.workflow.getHandle(id).describe()
  return raw.pendingActivities?.[0]?.lastFailure
}

test('a task whose process is killed is tried again, from its checkpoint, and the failure says what happened', async () => {
  const run = await rig.run('killed', oneStep())
  const first = await rig.steps.nextCall()
  const { checkpoint } = first.info
  writeFileSync(join(checkpoint, 'state'), 'half done')
  first.kill()
  const second = await rig.steps.nextCall()
  expect(second.info).toMatchObject({ checkpoint, found: ['state'] })
  expect(second.info.pid).not.toBe(first.info.pid)
  const failure = await lastFailure(run.workflowId)
  expect(failure?.message).toBe('step: the process was ended by SIGKILL while it worked')
  expect(failure?.applicationFailureInfo?.type).toBe('Crash')
  second.finish(7)
  expect((await rig.outputs(run)).step!.values).toEqual({ value: 7 })
  expect(existsSync(checkpoint)).toBe(false)
})

test.for(['InvalidInput', 'Infeasible', 'NonFinite', 'PluginBug'] as const)(
  'a failure of kind %s is final, and reaches the client with its kind, message and remedy',
  async (kind) => {
    const run = await rig.run(`final-${kind}`, oneStep())
    const call = await rig.steps.nextCall()
    call.fail('It cannot be.', kind, 'Do something else.')
    const failed = await failureOf(run)
    const cause = failed.cause?.cause as ApplicationFailure
    expect(cause).toBeInstanceOf(ApplicationFailure)
    expect(cause).toMatchObject({ type: kind, message: 'It cannot be.', details: [{ remedy: 'Do something else.' }] })
    expect((failed.cause as ActivityFailure).activityId).toBe('step/step')
    expect(rig.steps.waiting).toBe(0)
  },
)

test('another error is tried three times, and then the task has failed for good', async () => {
  const run = await rig.run('errors', oneStep())
  for (let attempt = 1; attempt <= 3; attempt++) (await rig.steps.nextCall()).fail(`error ${attempt}`)
  expect(explain(await failureOf(run)).json).toEqual({
    kind: 'TaskFailed',
    exitCode: 4,
    message: 'A task failed for good: error 3',
    remedy: 'See logs/tasks.log in the store for the stack.',
  })
  expect(rig.steps.waiting).toBe(0)
})

test('a full disk is tried again until there is space', async () => {
  const run = await rig.run('full', oneStep())
  for (let attempt = 1; attempt <= 4; attempt++) (await rig.steps.nextCall()).fail('The disk is full', 'OutOfDisk')
  ;(await rig.steps.nextCall()).finish(3)
  expect((await rig.outputs(run)).step!.values).toEqual({ value: 3 })
})

test('a disk that stays full ends the run after the attempts that the pipeline allows, with its own exit code', async () => {
  const run = await rig.run('stays-full', oneStep().replace('10 ms }', '10 ms, maximumAttempts: 2 }'))
  for (let attempt = 1; attempt <= 2; attempt++)
    (await rig.steps.nextCall()).fail('The disk is full', 'OutOfDisk', 'Free some space.')
  expect(explain(await failureOf(run)).json).toEqual({
    kind: 'OutOfDisk',
    exitCode: 6,
    message: 'The disk is full',
    remedy: 'Free some space.',
  })
})

test(
  'a task whose process runs out of memory is tried again, and then the run ends with its own exit code, and what to do about memory',
  async () => {
    const small = await Rig.create(await testServer())
    try {
      await small.startWorker(1, { env: { NODE_OPTIONS: '--max-old-space-size=256' } })
      const run = await small.run(
        'hungry',
        'pipeline: { stages: { hungry: { retry: { initialInterval: 10 ms, maximumAttempts: 2 } } } }',
      )
      expect(explain(await failureOf(run)).json).toEqual({
        kind: 'OutOfMemory',
        exitCode: 6,
        message: 'hungry: the process ran out of memory',
        remedy: 'Close other programs, or run fewer tasks side by side: `npx puzzleflow worker --slots N`.',
      })
      const log = readFileSync(join(small.store.root, 'logs/tasks.log'), 'utf8')
      expect(log.match(/JavaScript heap out of memory/g)).toHaveLength(2)
    } finally {
      await small.close()
    }
  },
  serverTimeout,
)

test('a task that takes longer than its stage allows has failed for good when no attempt is left', async () => {
  const run = await rig.run('slow', oneStep().replace('10 ms }', '10 ms, maximumAttempts: 1 }, timeout: 4 s'))
  const call = await rig.steps.nextCall()
  expect(explain(await failureOf(run)).json).toMatchObject({
    kind: 'TaskFailed',
    message: 'A task failed for good: step: the task took longer than the 4 s that its stage allows',
    remedy: 'Raise the stage’s `timeout:`; a task that reports no progress may be in a loop.',
  })
  expect(await call.ended).toBe('aborted')
})

test('a failed task of a group ends the run and the tasks beside it', async () => {
  const run = await rig.run(
    'group',
    `
items: [a1, a2]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source] }
`,
  )
  const [one, other] = [await rig.steps.nextCall(), await rig.steps.nextCall()]
  one.fail('Not this one.', 'NonFinite')
  const failed = await failureOf(run)
  expect((failed.cause as ChildWorkflowFailure).cause?.cause).toMatchObject({ type: 'NonFinite' })
  expect(await other.ended).toBe('aborted')
})

test('two tasks of one name are a mistake of the stage', async () => {
  const run = await rig.run('twice', 'pipeline: { stages: { twice: {} } }')
  expect(explain(await failureOf(run)).json).toMatchObject({
    kind: 'PluginBug',
    exitCode: 4,
    message: 'The stage twice planned two tasks "same"',
  })
})
