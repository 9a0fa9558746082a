import { readRecords } from '../../lineage/inventory.js'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { cacheDirectory } from '../../store/paths.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Rig, type TestWorker } from './rig.js'

// Stopping a task takes a heartbeat or two, and machines that test may have much else to do.
vi.setConfig({ testTimeout: 240_000 })

let rig: Rig | undefined
const homes: string[] = []
afterEach(async () => {
  await rig?.close()
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true })
})

/** Parent of a process. */
const parentOf = (pid: number) => Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1])

/** A worker as another user or machine would have it: with a home of its own. */
function elsewhere(on: Rig, slots: number): Promise<TestWorker> {
  const home = mkdtempSync(join(tmpdir(), 'puzzleflow-home-'))
  homes.push(home)
  // But for the cache: bundling the workflows anew each time takes seconds, and is not what is tested.
  const env = { HOME: home, XDG_STATE_HOME: join(home, 'state'), XDG_CACHE_HOME: dirname(cacheDirectory()) }
  return on.startWorker(slots, { env })
}

const spec = (items: readonly string[], note = '') => `
items: [${items.join(', ')}]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: 2 } }
${note}`

test(
  'three workers on one store and server, killed in turn, do every task once as the records tell',
  async () => {
    rig = await Rig.create(await testServer())
    const items = ['a', 'b', 'c'].flatMap((letter) => [1, 2, 3].map((i) => `${letter}${i}`))
    const workers = [await elsewhere(rig, 1), await elsewhere(rig, 1), await elsewhere(rig, 1)]
    const run = await rig.run('killed', spec(items))
    const value = (task: string) => items.indexOf(task) + 1
    for (const worker of workers) {
      // A task that runs somewhere: when its worker is the one that is killed, it is lost.
      const call = await rig.steps.nextCall()
      await worker.kill()
      call.finish(value(call.info.task))
      await elsewhere(rig, 1)
    }
    const answer = async () => {
      for (;;) {
        const call = await rig!.steps.nextCall()
        call.finish(value(call.info.task))
      }
    }
    void answer()
    const { each } = await rig.outputs(run)
    expect(each!.values).toEqual({ total: 90, items })
    let records = 0
    const tasks = new Set<unknown>()
    for (const { record } of (await readRecords(rig.store)).values()) {
      const { components } = record
      if (components.stage === 'each' && components.kind === 'run') {
        records++
        tasks.add(components.task)
      }
    }
    expect([records, tasks.size]).toEqual([9, 9])
    // Nothing is left to do, and the outputs are the same.
    const again = await rig.run('again', spec(items))
    expect((await rig.outputs(again)).each).toEqual(each)
    expect((await rig.progress(again)).each).toBe('9 done, 9 reused')
  },
  serverTimeout,
)

test(
  'a stage with a queue is done by workers of that queue alone',
  async () => {
    rig = await Rig.create(await testServer())
    await rig.startWorker(4)
    const run = await rig.run(
      'queue',
      spec(['a1'], '    there: { uses: step, needs: [source], queue: target, with: { note: there } }'),
    )
    const here = await rig.steps.nextCall()
    expect(here.name).toBe('each/a1')
    // Planned here, its task waits for the other queue's worker.
    while (!(await rig.inFlight(run)).includes('there/there'));
    expect(await rig.inFlight(run)).toContain('there/there')
    here.finish()
    await rig.until(run, ({ stages }) => stages[1]!.state === 'done')
    expect(rig.steps.waiting).toBe(0)
    const target = await rig.startWorker(1, { queue: 'target' })
    const there = await rig.steps.nextCall()
    expect(there.name).toBe('step/there')
    expect(parentOf(there.info.pid)).toBe(target.process.pid)
    there.finish()
    await run.result()
  },
  serverTimeout,
)

test(
  'a worker takes no task that it has no place for: another one that comes does it at once',
  async () => {
    rig = await Rig.create(await testServer())
    await rig.startWorker(1)
    const run = await rig.run('busy', spec(['a', 'b', 'c', 'd']))
    const first = await rig.steps.nextCall()
    while ((await rig.inFlight(run)).length < 4);
    const other = await rig.startWorker(1)
    for (let i = 0; i < 3; i++) {
      const call = await rig.steps.nextCall()
      expect(parentOf(call.info.pid)).toBe(other.process.pid)
      call.finish()
    }
    first.finish()
    await run.result()
  },
  serverTimeout,
)

test(
  'a small run gets its turns beside a large one: it ends when most of the large one is still to be done',
  async () => {
    rig = await Rig.create(await testServer())
    await rig.startWorker(2)
    const list = (letter: string, count: number) => Array.from({ length: count }, (_, i) => `${letter}${i}`)
    // All at once: only turns between runs can help the small one, not how many tasks the large one has in flight.
    const large = await rig.run('large', spec(list('l', 300)), { concurrency: 1000 })
    while ((await rig.inFlight(large)).length < 300);
    const small = await rig.run('small', spec(list('s', 10)))
    const done = { l: 0, s: 0 }
    const finishNext = async () => {
      const call = await rig!.steps.nextCall()
      call.finish()
      done[call.info.task.startsWith('l') ? 'l' : 's']++
    }
    // The stages before its tasks take their turns too, one after the other: how many pass meanwhile says little.
    while ((await rig.inFlight(small)).length + done.s < 10) await finishNext()
    const before = done.l
    while (done.s < 10) await finishNext()
    await large.cancel()
    await small.result()
    // First come, first served, all that is left of the 300 would come before. Fair turns are one for one, but for those
    // that the worker had fetched already.
    expect(done.l - before).toBeLessThan(30)
  },
  serverTimeout,
)
