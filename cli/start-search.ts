import { queueOf, searchesOn } from '../activities/queue.js'
import { keepListings } from '../lineage/input-changes.js'
import { describedTypes } from '../plugins/loading/load.js'
import { connect, type ServerInfo } from '../server/index.js'
import type { CompiledSpec } from '../spec/plan.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import type { Common } from './options.js'
import { expectedSeconds } from './estimate.js'
import { openStore } from './open-store.js'
import { checkReadiness } from './readiness.js'
import { outcomeFolder } from './outcome.js'
import { startRun, workflowIdOf } from './runs.js'
import { selectStages, type Selection } from './selection.js'
import { pageOfRun } from './ui-pages.js'
import { withServer } from './with-server.js'
import { checkWorker, endOutdatedWorker, ensureWorker } from './workers.js'

/** A search that was started or resumed. */
export interface StartedSearch {
  readonly name: string
  readonly plan: FrozenPlan
  readonly store: Store
  readonly info: ServerInfo
  /** False: it was running already. */
  readonly started: boolean
  /** Its page in the Temporal UI. */
  readonly link: string | undefined
}

/**
 * Starts or resumes a search, with the server and the worker that it needs.
 * @throws Failure if it cannot start; nothing has been started then
 */
export async function startSearch(
  { plan: whole, listings }: { readonly plan: FrozenPlan; readonly listings?: CompiledSpec['listings'] | undefined },
  options: Common & { readonly run?: string; readonly concurrency?: number; readonly command?: readonly string[] },
  selection: Selection,
): Promise<StartedSearch> {
  const name = options.run ?? whole.name
  // What stands in the way of the results is said before the search, not after it.
  outcomeFolder(name)
  const store = await openStore(options)
  const loaded = await describedTypes(whole)
  const { plan, given } = await selectStages(whole, selection, store, loaded, options.command)
  const needs = await checkReadiness(plan, store, loaded)
  const expected = await expectedSeconds(plan, loaded, needs)
  await keepListings(store, listings)
  // Fails where the store does not say which it is: before anything is started.
  const workflowId = workflowIdOf(store, name)
  const { info, started } = await withServer(options, async (info) => {
    await checkWorker(store, info.address)
    const client = await connect(info.address)
    try {
      await endOutdatedWorker(store, async () => (await searchesOn(queueOf(store), client)) > 0)
      return { info, started: await startRun(client, store, name, plan, { ...options, given, expected }) }
    } finally {
      await client.connection.close()
    }
  })
  await ensureWorker(store, info.address)
  const link = info.uiAddress && pageOfRun(info.uiAddress, workflowId)
  return { name, plan, store, info, started, link }
}
