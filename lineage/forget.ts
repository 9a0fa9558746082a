import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { ArtifactRef, Store, TaskRecord } from '../store/index.js'
import { walk, withoutWriting } from './walk.js'

/**
 * Removes the records of what the stages of a type did in a plan, so that its next run does it again.
 * @param uses  the stage type
 * @returns the records of their tasks
 */
export async function forgetStages(
  plan: FrozenPlan,
  store: Store,
  loaded: Loaded,
  given: Readonly<Record<string, ArtifactRef>> | undefined,
  uses: string,
): Promise<readonly TaskRecord[]> {
  const forgotten: TaskRecord[] = []
  for await (const known of walk(plan, withoutWriting(store), loaded, given)) {
    if (known.planned.uses !== uses || known.kind !== 'planned') continue
    for (const { record } of known.tasks) if (record) forgotten.push(record)
    const keys = [...known.tasks.map(({ key }) => key.key), known.last.key]
    for (const key of new Set(keys)) await store.removeRecord(key, Date.now() + 60_000)
  }
  return forgotten
}
