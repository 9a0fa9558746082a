import { accessSync, constants } from 'node:fs'
import { walk, withoutWriting } from '../lineage/walk.js'
import { Failure } from '../api/index.js'
import { needsWithPlugins } from '../plugins/loading/ask.js'
import type { Loaded } from '../plugins/registry.js'
import { checkResources, needsOf, type StageNeeds } from '../plugins/inspect/resources.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import { makePrivateFolder } from '../store/private-files.js'

/**
 * Whether disk and memory hold what the stages of a plan need that are not done yet. Writes nothing.
 * @returns what all of its stages need
 * @throws Failure OutOfDisk or OutOfMemory
 */
export async function checkNeeds(plan: FrozenPlan, store: Store, loaded: Loaded): Promise<readonly StageNeeds[]> {
  const isElsewhere = store.location !== store.root
  const left = new Map<string, number>()
  for await (const known of walk(plan, withoutWriting(store), loaded, {}, true))
    if (known.kind === 'planned') {
      const { tasks, planned } = known
      left.set(planned.name, tasks.filter(({ record }) => !record).length / Math.max(1, tasks.length))
    }
  const needs = await needsOfPlan(plan, loaded)
  const open = needs.flatMap(({ stage, disk, memory }) => {
    const share = left.get(stage) ?? 1
    // What goes to a store elsewhere passes this machine's disk, within the bound of the cache.
    return share > 0 ? [{ stage, disk: isElsewhere ? 0 : disk * share, memory }] : []
  })
  checkResources(store.root, open)
  return needs
}

/** What the stages of a plan need. Code of plugins is asked in a process of its own. */
export async function needsOfPlan(plan: FrozenPlan, loaded: Loaded): Promise<readonly StageNeeds[]> {
  const fromPlugins =
    [...plan.blocks, ...(plan.runs ?? [])].some(({ plugin }) => plugin !== undefined) ||
    plan.stages.some(({ uses, plugin }) => plugin !== undefined && loaded.stage(uses).resources !== undefined)
  return fromPlugins ? needsWithPlugins(plan) : needsOf(plan, loaded)
}

/**
 * What must be so before a run begins: its needs are met, and the store can be written.
 * @returns what its stages need
 * @throws Failure NoServer, OutOfDisk or OutOfMemory
 */
export async function checkReadiness(plan: FrozenPlan, store: Store, loaded: Loaded): Promise<readonly StageNeeds[]> {
  const needs = await checkNeeds(plan, store, loaded)
  try {
    makePrivateFolder(store.root)
    accessSync(store.root, constants.W_OK)
  } catch (error) {
    throw new Failure('NoServer', `The store ${store.root} cannot be written: ${(error as Error).message}`, {
      remedy: 'Choose another folder: --store DIR.',
      cause: error,
    })
  }
  return needs
}
