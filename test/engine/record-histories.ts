/** Writes histories of real runs to test/engine/histories (scripts/record-histories.mjs). */
import { Client, Connection, type WorkflowHandle } from '@temporalio/client'
import proto from '@temporalio/proto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
const folder = join(packageRoot(), 'test/engine/histories')
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
  await rig.startWorker()
  const done = await rig.run('done', spec('done'))
  await rig.steps.finish(5)
  await done.result()
  await save('search', done)
  await save('group', rig.client.workflow.getHandle(`${done.workflowId}/each/a`))

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
} finally {
  await rig.close()
  await rig.client.connection.close()
  await stopServer()
  rmSync(home, { recursive: true, force: true })
}
