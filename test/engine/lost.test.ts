import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { pause } from '../../server/index.js'
import { parseDigest } from '../../store/digest.js'
import { serverTimeout, testServer } from '../temporal.js'
import { withOwnServer } from './own-server.js'
import { Rig } from './rig.js'
import type { Call } from './steps.js'

/** Processes that are not dead, but out of touch: frozen, or with a wrong clock. */
let rig: Rig | undefined
afterEach(() => rig?.close())

const spec = 'pipeline: { stages: { step: { retry: { initialInterval: 10 ms, maximumInterval: 10 ms } } } }'

/** What the store knows of a call's task; its checkpoint is named after its key. */
const recordOf = ({ info }: Call) => rig!.store.getRecord(parseDigest(basename(info.checkpoint)))

/** A task that two workers do at the same time, each for a run of its own. */
async function doubled() {
  rig = await Rig.create(await testServer())
  await rig.startWorker()
  const taken = []
  for (const queue of ['one', 'two']) {
    await rig.startWorker(1, { queue })
    const run = await rig.run(queue, spec.replace('step: {', `step: { queue: ${queue},`))
    taken.push({ run, call: await rig.steps.nextCall() })
  }
  const [first, second] = taken as [(typeof taken)[0], (typeof taken)[0]]
  expect(second.call.info.checkpoint).toBe(first.call.info.checkpoint)
  expect(second.call.info.pid).not.toBe(first.call.info.pid)
  return { rig, first, second }
}

test(
  'two workers that do the same task agree on the result of the one that ends first',
  async () => {
    const { rig, first, second } = await doubled()
    first.call.finish(5)
    expect((await rig.outputs(first.run)).step!.values).toEqual({ value: 5 })
    second.call.finish(6)
    expect((await rig.outputs(second.run)).step!.values).toEqual({ value: 5 })
    const again = await rig.run('again', spec)
    expect((await rig.outputs(again)).step!.values).toEqual({ value: 5 })
    expect(rig.steps.seen).toHaveLength(2)
    expect(existsSync(first.call.info.checkpoint)).toBe(false)
  },
  serverTimeout,
)

test(
  'an attempt that fails after another one has finished the task has its result',
  async () => {
    const { rig, first, second } = await doubled()
    first.call.finish(5)
    expect((await rig.outputs(first.run)).step!.values).toEqual({ value: 5 })
    second.call.fail('The checkpoint is gone')
    expect((await rig.outputs(second.run)).step!.values).toEqual({ value: 5 })
    expect(rig.steps.seen).toHaveLength(2)
  },
  serverTimeout,
)

test(
  'a worker that was frozen until its replacement has finished stops its own attempt, and goes on to serve',
  async () => {
    rig = await Rig.create(await testServer())
    const frozen = await rig.startWorker()
    const run = await rig.run('frozen', spec)
    const first = await rig.steps.nextCall()
    frozen.freeze()
    await rig.startWorker()
    const second = await rig.steps.nextCall()
    expect(second.info).toMatchObject({ checkpoint: first.info.checkpoint })
    second.finish(5)
    expect((await rig.outputs(run)).step!.values).toEqual({ value: 5 })
    const before = await recordOf(first)
    frozen.thaw()
    // The server tells it with its next heartbeat.
    expect(await first.ended).toBe('aborted')
    expect(await recordOf(first)).toEqual(before)
    const next = await rig.run('next', spec.replace('step: {', 'step: { with: { note: next },'))
    const third = await rig.steps.nextCall()
    third.finish(6)
    expect((await rig.outputs(next)).step!.values).toEqual({ value: 6 })
    // The worker removes it after its result is known, and tells nobody.
    while (existsSync(first.info.checkpoint)) await pause(20)
  },
  serverTimeout,
)

test(
  'workers that are lost do not count as failures: an error after many of them is tried again',
  async () => {
    rig = await Rig.create(await testServer())
    const run = await rig.run('lost', spec)
    for (let lost = 0; lost < 2; lost++) {
      const worker = await rig.startWorker()
      await rig.steps.nextCall()
      await worker.kill()
    }
    await rig.startWorker()
    for (let error = 1; error <= 3; error++) (await rig.steps.nextCall()).fail(`error ${error}`)
    const failed: unknown = await run.result().catch((error: unknown) => error)
    expect(explain(failed).json).toMatchObject({ kind: 'TaskFailed', message: 'A task failed for good: error 3' })
  },
  serverTimeout,
)

test(
  'a server that is silent for longer than the heartbeats may be is no reason to do a finished task again',
  () =>
    withOwnServer(async (rig, { pid }) => {
      await rig.startWorker()
      const run = await rig.run('silent', spec)
      const call = await rig.steps.nextCall()
      process.kill(pid, 'SIGSTOP')
      call.finish(7)
      // Three seconds are a heartbeat's; nothing tells of a process that does nothing.
      await pause(4000)
      process.kill(pid, 'SIGCONT')
      expect((await rig.outputs(run)).step!.values).toEqual({ value: 7 })
      expect(rig.steps.seen).toEqual(['step/step'])
    }),
  serverTimeout,
)

const clock = ['x86_64', 'aarch64']
  .map((name) => `/usr/lib/${name}-linux-gnu/faketime/libfaketime.so.1`)
  .find(existsSync)
test.skipIf(clock === undefined)(
  'a worker whose clock is three days ahead does its task, and its heartbeats count (needs libfaketime)',
  async () => {
    rig = await Rig.create(await testServer())
    await rig.startWorker(2, { env: { LD_PRELOAD: clock, FAKETIME: '+3d', FAKETIME_DONT_FAKE_MONOTONIC: '1' } })
    const run = await rig.run('clock', spec)
    const call = await rig.steps.nextCall()
    // The server counts by the clock, and tells nobody that a heartbeat was due.
    // Longer than a heartbeat may be.
    await pause(4000)
    call.finish(8)
    expect((await rig.outputs(run)).step!.values).toEqual({ value: 8 })
    expect(rig.steps.seen).toEqual(['step/step'])
    const { finishedAt } = (await recordOf(call))!
    expect(Date.parse(finishedAt) - Date.now()).toBeGreaterThan(2 * 86_400_000)
  },
  serverTimeout,
)
