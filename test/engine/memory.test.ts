/** Tasks that need more memory than there is: a worker in a control group of its own, with real tasks. */
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { controlGroup, removeGroup } from '../control-group.js'
import { serverTimeout, testServer } from '../temporal.js'
import { rejection, Rig } from './rig.js'

vi.setConfig({ testTimeout: 120_000 })

const mib = 2 ** 20
/** Holds the worker, and one task of 500 MiB beside it. */
const group = controlGroup('memory', 'tasks', 1100 * mib)

let rig: Rig
beforeAll(async () => {
  rig = await Rig.create(await testServer())
}, serverTimeout)
afterAll(async () => {
  await rig.close()
  if (group !== undefined) removeGroup(group)
})

const inGroup = test.skipIf(group === undefined)
const skipped = group === undefined ? ' (skipped: this user cannot make a control group)' : ''
async function worker() {
  const started = await rig.startWorker(2, { group: group! })
  onTestFinished(() => started.kill())
}

const holding = (parameters: string, execution = '') => `
pipeline:
  stages:
    holding: { with: { ${parameters} }${execution} }
`

inGroup(
  `tasks that say what they need are done one after the other where there is no room for two${skipped}`,
  async () => {
    await worker()
    const run = await rig.run('room', holding('sizes: [500, 500]'))
    const first = await rig.steps.nextCall()
    await rig.says(run, 'waiting for 0.5 GiB of memory')
    expect(rig.steps.waiting).toBe(0)
    first.finish()
    ;(await rig.steps.nextCall()).finish()
    expect((await rig.outputs(run)).holding!.values).toMatchObject({ tasks: { 0: { held: 500 }, 1: { held: 500 } } })
  },
)

inGroup(`what a stage’s tasks may hold counts where they say nothing${skipped}`, async () => {
  await worker()
  const run = await rig.run('bound', holding('sizes: [300, 301], says: false', ', memory: 500 MiB'))
  const first = await rig.steps.nextCall()
  await rig.says(run, 'waiting for 0.5 GiB of memory')
  first.finish()
  ;(await rig.steps.nextCall()).finish()
  await rig.outputs(run)
})

inGroup(`a task that fills the memory is ended, and all others go on${skipped}`, async () => {
  await worker()
  const run = await rig.run(
    'full',
    `
pipeline:
  stages:
    step: {}
    holding: { with: { sizes: [4000], says: false }, retry: { maximumAttempts: 1 }, onFailure: finish-running }
`,
  )
  const beside = await rig.steps.nextCall()
  const { cause: ofTask } = await rejection(
    rig
      .until(run, ({ stages }) => stages[1]!.state === 'failed')
      .then(async () => {
        beside.finish()
        return run.result()
      }),
  )
  const { cause } = ofTask as Error
  // Whoever was faster.
  expect(cause).toMatchObject({ type: 'OutOfMemory' })
  expect((cause as Error).message).toMatch(
    /^holding\/0: (this machine has 0\.\d GiB of memory left, and the task holds \d\.\d GiB, more than any other|the kernel ended the process, because there was no memory left)$/,
  )
  expect(await rig.progress(run)).toEqual({ step: '1 done, 0 reused', holding: '0 done, 0 reused' })
})
