import proto from '@temporalio/proto'
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

const folder = join(packageRoot(), 'test/engine/histories')
/** Of every shape that workflows had, what record-histories.ts does: searches that went well, failed, were controlled. */
const histories = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length))
  .sort()

let code: string
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) })
  const logger = new DefaultLogger('WARN')
  code = (await bundleWorkflowCode({ workflowsPath: join(packageRoot(), 'workflows/index.ts'), logger })).code
})

/** Runs the workflows of a bundle again on a recorded history. @throws when they decide otherwise than then */
async function replay(name: string, bundle = code): Promise<void> {
  const { workflowId, history } = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as {
    workflowId: string
    history: Record<string, unknown>
  }
  const events = proto.temporal.api.history.v1.History.fromObject(history)
  await Worker.runReplayHistory({ workflowBundle: { code: bundle } }, events, workflowId)
}

test.for(histories)('the recorded history %s can be replayed: running searches survive an update', async (name) => {
  await replay(name)
})

test('a change that running searches would not survive is noticed', async () => {
  const changed = code.replace(/activities\((['"])gather/, 'activities($1collect')
  expect(changed).not.toBe(code)
  await expect(replay('1/search', changed)).rejects.toThrow(/source\/collect/)
})
