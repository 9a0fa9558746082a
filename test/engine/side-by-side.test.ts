import { existsSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(2)

/** Steps that do not need each other; those that are named run alone. */
const steps = (note: string, names: readonly string[], alone: readonly string[] = []) => `
pipeline:
  stages:
${names.map((name) => `    ${name}: { uses: step, with: { note: ${note}-${name} }, exclusive: ${alone.includes(name)} }`).join('\n')}
`

test('with two places two tasks run at the same time, a thread each, and a third waits', async () => {
  const run = await rig.run('two', steps('two', ['a', 'b', 'c']))
  const [first, second] = [await rig.steps.nextCall(), await rig.steps.nextCall()]
  expect(first.info.pid).not.toBe(second.info.pid)
  expect([first.info.threads, second.info.threads]).toEqual([1, 1])
  expect(rig.steps.waiting).toBe(0)
  first.finish()
  const third = await rig.steps.nextCall()
  // The process that has nothing to do is used again.
  expect(third.info.pid).toBe(first.info.pid)
  third.finish()
  second.finish()
  await run.result()
})

test('an exclusive task waits for those that run, has all threads, and nothing runs beside it', async () => {
  const before = await rig.run('before', steps('before', ['a']))
  const first = await rig.steps.nextCall()
  const alone = await rig.run('alone', steps('alone', ['b'], ['b']))
  await rig.waitsForPlace(alone)
  const after = await rig.run('after', steps('after', ['c']))
  // It stays in the queue, for any worker.
  while ((await rig.inFlight(after)).length === 0);
  expect(rig.steps.waiting).toBe(0) // though one of the two places is free
  first.finish()
  const second = await rig.steps.nextCall()
  expect(second.info).toMatchObject({ task: 'alone-b', threads: 2 })
  expect(rig.steps.waiting).toBe(0)
  second.finish()
  const third = await rig.steps.nextCall()
  expect(third.info).toMatchObject({ task: 'after-c', threads: 1 })
  third.finish()
  await Promise.all([before.result(), alone.result(), after.result()])
})

test('cancelling a run stops its tasks, which leave a checkpoint, and their processes', async () => {
  const spec = steps('cancelled', ['a'])
  const run = await rig.run('cancelled', spec)
  const call = await rig.steps.nextCall()
  await run.cancel()
  expect(await call.ended).toBe('aborted')
  expect(
    explain(
      await run.result().then(
        () => undefined,
        (error: unknown) => error,
      ),
    ).exitCode,
  ).toBe(130)
  expect(readdirSync(call.info.checkpoint)).toEqual(['saved'])

  const again = await rig.run('cancelled', spec)
  const second = await rig.steps.nextCall()
  expect(second.info).toMatchObject({ checkpoint: call.info.checkpoint, found: ['saved'] })
  expect(second.info.pid).not.toBe(call.info.pid)
  expect(existsSync(`/proc/${call.info.pid}/exe`)).toBe(false)
  second.finish()
  await again.result()
  expect(existsSync(call.info.checkpoint)).toBe(false)
})
