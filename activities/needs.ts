import { Failure, type Outputs, type TaskPlan } from '../plugins/api/index.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { MissingArtifact, type ArtifactRef, type Digest, type Store } from '../store/index.js'
import { outputsOf, type KnownRun, type Records } from './inventory.js'
import { gatherKey, planKey, planKeyBehind, stageParams, taskKey } from './keys.js'

/** What a run needs of a store. */
export interface Needs {
  /** Of tasks, also of those that are still to be done. */
  readonly keys: Set<Digest>
  readonly artifacts: Set<Digest>
  /** Outputs by stage, as far as an unfinished run has got. */
  readonly outputs: Map<string, Outputs>
}

/** What a run needs: of a finished one all that led to its outputs, of another all that its tasks would find.
 *  @throws Failure InvalidInput when its stage types are not known here */
export async function needsOf(store: Store, records: Records, run: KnownRun, loaded: Loaded): Promise<Needs> {
  const needs: Needs = { keys: new Set(), artifacts: new Set([run.plan.digest]), outputs: new Map() }
  try {
    if (run.outputs) backwards(records, Object.values(run.outputs), needs)
    else await forwards(store, records, run, loaded, needs)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.kind, `What the run "${run.run}" needs cannot be told: ${error.message}`, {
      remedy: error.remedy ?? 'Finish the run, or give those that are to be kept with --keep.',
      cause: error,
    })
  }
  for (const key of needs.keys)
    for (const ref of Object.values(records.get(key)?.record.outputs.files ?? {})) needs.artifacts.add(ref.digest)
  return needs
}

/** From outputs to the records that they came from. Nothing is computed anew: it holds for runs of any version. */
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
      for (const own of [key, planKeyBehind(components), ...((components.tasks ?? []) as Digest[])]) needs.keys.add(own)
      open.push(...Object.values(before))
    }
  }
}

/** From the plan to every key that can be known now, as the run's tasks come to them. */
async function forwards(store: Store, records: Records, run: KnownRun, loaded: Loaded, needs: Needs): Promise<void> {
  const plan = (await readIfThere(store, run.plan)) as FrozenPlan | undefined
  const refs = new Map<string, ArtifactRef>()
  for (const planned of plan?.stages ?? []) {
    if (!planned.needs.every((name) => refs.has(name))) continue
    const before = Object.fromEntries(planned.needs.map((name) => [name, refs.get(name)!]))
    const values = Object.fromEntries(planned.needs.map((name) => [name, needs.outputs.get(name)!]))
    const stage = loaded.stage(planned.uses)
    const parts = { plan: plan!, planned, stage, params: stageParams(planned, values), outputs: before }
    const listed = planKey(parts).key
    needs.keys.add(listed)
    const list = records.get(listed)?.record.outputs.files.tasks
    const tasks = list && ((await readIfThere(store, list)) as TaskPlan[] | undefined)
    if (!tasks) continue
    const keys = tasks.map((task) => taskKey(parts, task).key)
    const last = gatherKey(parts, keys).key
    for (const key of [...keys, last]) needs.keys.add(key)
    const gathered = records.get(last)?.record
    if (!gathered) continue
    const ref = { digest: outputsOf(gathered), bytes: 0, kind: 'outputs' }
    needs.artifacts.add(ref.digest)
    refs.set(planned.name, ref)
    needs.outputs.set(planned.name, gathered.outputs as Outputs)
  }
}

/** A run whose plan or list of tasks is lost needs nothing of what it led to: it is planned anew. */
async function readIfThere(store: Store, ref: ArtifactRef): Promise<unknown> {
  try {
    return await store.readJson(ref)
  } catch (error) {
    if (error instanceof MissingArtifact) return undefined
    throw error
  }
}
