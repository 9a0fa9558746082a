/**
 * Writes histories of real runs to a new folder in test/engine/histories (scripts/record-histories.mjs): those of the shapes
 * before stay, for runs that began with them.
 */
import { Client, Connection, type WorkflowHandle } from '@temporalio/client'
import proto from '@temporalio/proto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureServer, stopServer } from '../../server/index.js'
import { packageRoot } from '../../store/paths.js'
import { Rig } from './rig.js'

/** Two groups, one of several tasks, and stages before and after. */
const spec = (note: string) => `
items: [a1, a2, a3, b1]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: 2 } }
    step: { needs: [source], with: { note: ${note} }, retry: { initialInterval: 1 s, backoff: 2, within: 1 h } }
    sum: { uses: echo, needs: [each, step] }
`
/** What people may say to a search: a group and a task alone, then a gate. */
const controlledSpec = `
items: [c1, c2, d1]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    some: { needs: [source], onFailure: wait }
    check: { uses: approve, needs: [some] }
`
/** More tasks than a page holds here, of which some are left out. */
const pagedSpec = `
pipeline:
  stages:
    many: { with: { count: 10, failEvery: 4 }, onFailure: continue }
`
/** Finishes all that comes. */
async function answer({ steps }: Rig): Promise<never> {
  for (;;) await steps.finish(1)
}
const all = join(packageRoot(), 'test/engine/histories')
const folder = join(all, String(1 + Math.max(0, ...readdirSync(all).map(Number))))
const home = mkdtempSync(join(tmpdir(), 'puzzleflow-record-'))
process.env.XDG_STATE_HOME = home

async function save(name: string, handle: WorkflowHandle): Promise<void> {
  const { History } = proto.temporal.api.history.v1
  const plain = History.toObject(History.fromObject(await handle.fetchHistory()), {
    longs: String,
    enums: String,
    bytes: String,
  })
  // Who did it and in which file is of no use, and tells about the machine.
  const local = (key: string, value: unknown) =>
    ['identity', 'stackTrace'].includes(key) || (key === 'name' && /^\d+@/.test(String(value)))
  const scrub = (key: string, value: unknown) => (local(key, value) ? 'recorded' : value)
  const events = (plain.events as object[]).map((event) => JSON.stringify(event, scrub))
  const workflowId = JSON.stringify(handle.workflowId)
  writeFileSync(
    join(folder, `${name}.json`),
    `{"workflowId":${workflowId},"history":{"events":[\n${events.join(',\n')}\n]}}\n`,
  )
}

const { address } = await ensureServer({ log: (line) => process.stderr.write(`${line}\n`) })
const rig = await Rig.create({ address, client: new Client({ connection: await Connection.connect({ address }) }) })
try {
  mkdirSync(folder, { recursive: true })
  await rig.startWorker(2, { env: { PUZZLEFLOW_TEST_PAGE: '3' } })
  const done = await rig.run('done', spec('done'))
  await rig.steps.finish(5)
  await done.result()
  await save('search', done)
  await save('group', rig.client.workflow.getHandle(`${done.workflowId}/each/a`))

  // Of what the store has, nothing is done again.
  const again = await rig.run('again', spec('again'))
  await rig.steps.finish(1)
  await again.result()
  await save('search-again', again)

  const failed = await rig.run('failed', spec('failed'))
  ;(await rig.steps.nextCall()).fail('Not this one.', 'NonFinite')
  await failed.result().catch(() => undefined)
  await save('search-failed', failed)

  const cancelled = await rig.run('cancelled', spec('cancelled'))
  const call = await rig.steps.nextCall()
  await cancelled.cancel()
  await call.ended
  await cancelled.result().catch(() => undefined)
  await save('search-cancelled', cancelled)

  const ended = await rig.run('ended', spec('ended'))
  const last = await rig.steps.nextCall()
  await ended.executeUpdate('cancel')
  await last.ended
  await ended.result().catch(() => undefined)
  await save('search-ended', ended)

  const controlled = await rig.run('controlled', controlledSpec)
  const running = [await rig.steps.nextCall(), await rig.steps.nextCall()]
  await controlled.executeUpdate('pause')
  await Promise.all(running.map(({ ended }) => ended))
  await controlled.executeUpdate('resume')
  await controlled.executeUpdate('concurrency', { args: [4] })
  for (const task of ['c1', 'c2']) {
    const call = await rig.steps.nextCall()
    call.fail('Not now.', 'NonFinite')
    await rig.until(controlled, ({ stages }) => stages[1]!.waiting.includes(call.info.task))
    const name = `some/${call.info.task}`
    if (task === 'c1') await controlled.executeUpdate('retry', { args: [{ task: name }] })
    else await controlled.executeUpdate('skip', { args: [{ task: name, reason: 'not needed' }] })
    if (task === 'c1') await rig.steps.finish(1)
  }
  await rig.steps.finish(1)
  await rig.until(controlled, ({ stages }) => stages[2]!.state === 'asking')
  await controlled.executeUpdate('approve', { args: [{ stage: 'check', approved: true }] })
  await controlled.result()
  await save('search-controlled', controlled)
  await save('group-controlled', rig.client.workflow.getHandle(`${controlled.workflowId}/some/c`))

  const paged = await rig.run('paged', pagedSpec)
  await paged.result()
  await save('search-paged', paged)
  await save('page', rig.client.workflow.getHandle(`${paged.workflowId}/many/4-6`))

  const finishing = await rig.run(
    'finishing',
    spec('finishing').replace('with: { factor: 2 }', 'with: { factor: 3 }, onFailure: finish-running'),
  )
  const calls = [await rig.steps.nextCall(), await rig.steps.nextCall()]
  calls[0]!.fail('Not this one.', 'NonFinite')
  calls[1]!.finish()
  void answer(rig)
  await finishing.result().catch(() => undefined)
  await save('search-finishing', finishing)
} finally {
  await rig.close()
  await rig.client.connection.close()
  await stopServer()
  rmSync(home, { recursive: true, force: true })
}
