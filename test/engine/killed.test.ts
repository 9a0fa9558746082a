import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { commandLine, ensureServer } from '../../server/index.js'
import { serverTimeout, testServer } from '../temporal.js'
import { withOwnServer } from './own-server.js'
import { Rig } from './rig.js'

const spec = `
items: [a1, a2, b1, b2]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: 2 } }
    sum: { uses: echo, needs: [each], with: { total: '\${{ stages.each.outputs.total }}' } }
`
const value = (task: string) => ({ a1: 1, a2: 10, b1: 100, b2: 1000 })[task]!

let rig: Rig | undefined
afterEach(() => rig?.close())

const expected = { total: 2222, parts: [2, 20, 200, 2000] }

/** What came out of a run. */
async function outcome(rig: Rig, run: Parameters<Rig['outputs']>[0]) {
  const { sum, each } = await rig.outputs(run)
  const parts = Object.values(each!.files).map(
    async (ref) => ((await rig.store.readJson(ref)) as { value: number }).value,
  )
  return { total: (sum!.values.params as { total: number }).total, parts: await Promise.all(parts) }
}

/** When each finished task was finished, by key. */
function finished({ store }: Rig): Record<string, string> {
  const records = join(store.root, 'records')
  const files = readdirSync(records, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  return Object.fromEntries(
    files.map((name) => [
      name,
      (JSON.parse(readFileSync(join(records, name), 'utf8')) as { finishedAt: string }).finishedAt,
    ]),
  )
}

test(
  'a worker that is killed is replaced: finished tasks are not done again, and the outputs are the same',
  async () => {
    rig = await Rig.create(await testServer())
    const worker = await rig.startWorker()
    const run = await rig.run('killed', spec)
    const [one, other] = [await rig.steps.nextCall(), await rig.steps.nextCall()]
    one.finish(value(one.info.task))
    const third = await rig.steps.nextCall()
    const before = finished(rig)
    await worker.kill()
    // Its child processes end with it.
    expect([await other.ended, await third.ended]).toEqual(['gone', 'gone'])

    await rig.startWorker()
    const redone = await rig.steps.finish(3, value)
    expect(redone).not.toContain(one.name)
    expect(await outcome(rig, run)).toEqual(expected)
    expect(finished(rig)).toMatchObject(before)
  },
  serverTimeout,
)

test(
  'a server that is killed is started again where it was, on its database, and the run goes on',
  () =>
    withOwnServer(async (rig, server) => {
      await rig.startWorker()
      const run = await rig.run('server', spec)
      const calls = [await rig.steps.nextCall(), await rig.steps.nextCall()]
      process.kill(server.pid, 'SIGKILL')
      while (commandLine(server.pid) !== '') await new Promise(setImmediate)
      // Both tasks end while there is no server.
      calls.forEach((call) => call.finish(value(call.info.task)))
      const again = await ensureServer({ log: () => undefined })
      expect(again.address).toBe(server.address)
      expect(again.pid).not.toBe(server.pid)
      const redone = await rig.steps.finish(2, value)
      expect(redone).toEqual(expect.not.arrayContaining(calls.map(({ name }) => name)))
      expect(await outcome(rig, run)).toEqual(expected)
    }),
  serverTimeout,
)
