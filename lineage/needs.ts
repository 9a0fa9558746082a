import { Failure, type Outputs } from '../api/index.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { digestJson } from '../store/digest.js'
import { MissingArtifact, type ArtifactRef, type Digest, type Store } from '../store/index.js'
import { outputsOf, type KnownRun, type Records } from './inventory.js'
import { planKeyBehind } from './keys.js'
import { walk, type Lookup } from './walk.js'

/** Keys, artifacts and outputs that a run needs from a store. */
export interface Needs {
  /** Keys of tasks, including those that have not been run yet. */
  readonly keys: Set<Digest>
  readonly artifacts: Set<Digest>
  /** Outputs by stage; of an unfinished run, those so far. */
  readonly outputs: Map<string, Outputs>
}

/** The stage and block types that a plan uses. */
export type TypesOf = (plan: FrozenPlan) => Promise<Loaded>

/** Determines what a run needs: everything that led to its outputs, and everything that its tasks would reuse.
 *  @throws Failure InvalidInput if an unfinished run has stage types that are not known here */
export async function needsOf(store: Store, records: Records, run: KnownRun, typesOf: TypesOf): Promise<Needs> {
  const given = Object.values(run.given ?? {})
  const needs: Needs = { keys: new Set(), artifacts: new Set([run.plan.digest]), outputs: new Map() }
  backwards(records, [...Object.values(run.outputs ?? {}), ...given], needs)
  try {
    await forwards(store, records, run, typesOf, needs)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    // The outputs of a finished run lead back to everything except the answers at gates.
    if (!run.outputs)
      throw new Failure(error.kind, `Cannot determine what the run "${run.run}" needs: ${error.message}`, {
        remedy: error.remedy ?? 'Finish the run, or name the runs to keep with --keep.',
        cause: error,
      })
  }
  for (const key of needs.keys)
    for (const ref of Object.values(records.get(key)?.record.outputs.files ?? {})) needs.artifacts.add(ref.digest)
  return needs
}

/** Goes from outputs back to the records that they came from. It computes no keys, so it works for runs of any version. */
function backwards(records: Records, outputs: readonly ArtifactRef[], needs: Needs): void {
  const gathered = new Map<Digest, Digest[]>()
  for (const [key, { record }] of records)
    if (record.components.kind === 'gather')
      gathered.set(outputsOf(record), [...(gathered.get(outputsOf(record)) ?? []), key])
  const open = outputs.map(({ digest }) => digest)
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    needs.artifacts.add(digest)
    for (const key of gathered.get(digest) ?? []) {
      if (needs.keys.has(key)) continue
      const { components } = records.get(key)!.record
      const before = (components.needs ?? {}) as Readonly<Record<string, Digest>>
      for (const behind of [key, planKeyBehind(components), ...tasksOf(components)]) needs.keys.add(behind)
      open.push(...Object.values(before))
    }
  }
}

/** Keys of the tasks that were gathered, without those that were left out. */
const tasksOf = ({ tasks = [] }: { readonly tasks?: readonly (Digest | null)[] }): Digest[] =>
  tasks.filter((key) => key !== null)

/** Goes from the plan to every key that can be known now, in the order in which the run would compute them. */
async function forwards(store: Store, records: Records, run: KnownRun, typesOf: TypesOf, needs: Needs): Promise<void> {
  const lookup: Lookup = {
    getRecord: async (key) => records.get(key)?.record,
    // A lookup must not write anything.
    putJson: async (kind, data) => ({ digest: digestJson(data), bytes: 0, kind }),
    has: (ref) => store.has(ref),
    readJson: (ref) => store.readJson(ref),
  }
  try {
    const plan = (await store.readJson(run.plan)) as FrozenPlan
    for await (const known of walk(plan, lookup, await typesOf(plan), run.given)) {
      if (known.kind === 'unplanned') needs.keys.add(known.key.key)
      if (known.kind !== 'planned') continue
      for (const key of [known.key, ...known.tasks.map((task) => task.key)]) needs.keys.add(key.key)
      needs.keys.add(known.last.key)
      if (!known.outputs) continue
      needs.artifacts.add(known.outputs.digest)
      needs.outputs.set(known.planned.name, (await store.readJson(known.outputs)) as Outputs)
    }
  } catch (error) {
    // A run whose plan or outputs are lost starts again from there, so it needs nothing that comes after them.
    if (!(error instanceof MissingArtifact)) throw error
  }
}
