import { MockActivityEnvironment } from '@temporalio/testing'
import { DefaultLogger } from '@temporalio/worker'
import { makeActivities, type Services } from '../../activities/activities.js'
import { Admission } from '../../activities/admission.js'
import { planDocument } from '../../lineage/plan-document.js'
import type { KnownRun } from '../../lineage/inventory.js'
import { Slots } from '../../activities/slots.js'
import type { ArtifactRef, Store } from '../../store/index.js'
import { silentWatch } from '../silent.js'
import { loadPlugins, planOf } from './tiny-stages.js'

export interface RunOptions {
  readonly run?: string
  readonly seed?: number
  /** The last stage to do. */
  readonly until?: string
  readonly numbers?: readonly number[]
  /** Does not say that this user starts the plan. */
  readonly unsigned?: boolean
}

export interface Done {
  /** Identity of the store. */
  readonly id: string
  /** Tasks that were done, not reused. */
  readonly done: readonly string[]
  readonly values: Readonly<Record<string, unknown>>
  readonly failed?: { readonly type?: string; readonly message: string }
}

/** Does the tasks of the plan of tiny-stages.ts as a worker does, and keeps the run in the store as `puzzleflow run` does. */
export async function doRun(store: Store, host: Services['host'], options: RunOptions = {}): Promise<Done> {
  const { run = 'squares', seed = 1, until, numbers = [2, 3], unsigned = false } = options
  const activities = makeActivities({
    store,
    host,
    slots: new Slots(2),
    admission: new Admission(2),
    watch: silentWatch(),
    loaded: loadPlugins(),
  })
  const worker = new MockActivityEnvironment({ attempt: 1 }, { logger: new DefaultLogger('ERROR') })
  /** As a worker calls an activity. */
  const perform = <R>(activity: () => Promise<R>) => worker.run<[], R, () => Promise<R>>(activity)

  const frozen = planOf(numbers, seed)
  const plan = await store.putJson('plan', frozen)
  if (store.signing && !unsigned) await store.putDocument(planDocument(plan.digest), { run })
  const document: KnownRun = { run, plan, startedAt: new Date().toISOString() }
  const note = (more: Partial<KnownRun>) =>
    store.putDocument(`runs/${run}`, { ...document, workflowId: `${store.id}/${run}`, name: frozen.name, ...more })
  await note({})
  const done: string[] = []
  const outputs: Record<string, ArtifactRef> = {}
  const values: Record<string, unknown> = {}
  const result = () => ({ id: store.id, done: done.sort(), values })
  try {
    for (const { name, needs } of frozen.stages) {
      const request = { plan, stage: name, outputs: Object.fromEntries(needs.map((need) => [need, outputs[need]!])) }
      const planned = await perform(() => activities.planStage(request))
      const tasks = planned.groups.flatMap((group) => group.tasks)
      const keys: string[] = []
      for (const task of tasks) {
        const own = await perform(() => activities.executeTask({ ...request, tasks: planned.tasks, task }))
        if (!own.reused) done.push(task.id)
        keys.push(own.key)
      }
      const gathered = await perform(() =>
        activities.gatherStage({ ...request, tasks: planned.tasks, keys, skipped: [] }),
      )
      outputs[name] = gathered.outputs
      values[name] = ((await store.readJson(gathered.outputs)) as { values: unknown }).values
      if (name === until) return result()
    }
  } catch (error) {
    const { type, message } = error as { type?: string; message: string }
    return { ...result(), failed: { ...(type === undefined ? {} : { type }), message } }
  }
  await note({ outputs })
  return result()
}
