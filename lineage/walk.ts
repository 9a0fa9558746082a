import type { Outputs, TaskPlan } from '../api/index.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import { needName } from '../spec/need-name.js'
import { canonicalJson, digestBytes } from '../store/digest.js'
import type { ArtifactRef, Digest, Store, TaskRecord } from '../store/index.js'
import { inWindow } from './in-window.js'
import { onlyTask } from './keys.js'
import { gatherKey, planKey, stageParams, taskKeys, type Key, type KeyParts } from './keys.js'

/** The operations of a store that lookups use. */
export type Lookup = Pick<Store, 'getRecord' | 'has' | 'putJson' | 'readJson'>

/** Wraps a store so that lookups write nothing: values that would be stored are only remembered. */
export function withoutWriting(store: Lookup): Lookup {
  const put = new Map<Digest, unknown>()
  return {
    getRecord: (key) => store.getRecord(key),
    has: (ref) => store.has(ref),
    putJson(kind, data) {
      const text = canonicalJson(data)
      const digest = digestBytes(text)
      put.set(digest, data)
      return Promise.resolve({ digest, bytes: Buffer.byteLength(text), kind })
    },
    readJson: async (ref) => put.get(ref.digest) ?? store.readJson(ref),
  }
}

/** Number of parallel lookups, since a remote store answers each request late. */
const recordsAtOnce = 16

/** A task, with its record in the store. */
export interface KnownTask {
  readonly task: TaskPlan
  readonly key: Key
  /** Undefined if the task has not been run yet. */
  readonly record: TaskRecord | undefined
}

/** A stage of a plan, as far as the store knows. */
export type KnownStage = { readonly planned: PlannedStage } & (
  | { readonly kind: 'unknown'; readonly until: readonly string[] }
  | { readonly kind: 'unplanned'; readonly key: Key }
  | {
      readonly kind: 'planned'
      /** Key of the list of its tasks. */
      readonly key: Key
      /** Key of its gathering, or of its only task. */
      readonly last: Key
      readonly tasks: readonly KnownTask[]
      /** Present if the stage is done. */
      readonly outputs: ArtifactRef | undefined
    }
)

/** Looks up every key of a plan that can be known now, in the order of its stages.
 *  @param given  outputs of stages that are needed but not part of the plan
 *  @param ahead  whether to look past gates and stages that only check before they are done, as if they went well */
export async function* walk(
  plan: FrozenPlan,
  store: Lookup,
  loaded: Loaded,
  given: Readonly<Record<string, ArtifactRef>> = {},
  ahead = false,
): AsyncGenerator<KnownStage> {
  const done = new Map<string, { readonly ref: ArtifactRef; readonly value: Outputs }>()
  for (const [name, ref] of Object.entries(given))
    done.set(name, { ref, value: (await store.readJson(ref)) as Outputs })
  for (const planned of plan.stages) {
    const until = planned.needs.filter((need) => !done.has(need))
    if (until.length > 0) {
      yield { planned, kind: 'unknown', until }
      continue
    }
    const stage = await look(plan, planned, done, store, loaded)
    const found = stage.kind === 'planned' ? stage.outputs : undefined
    const outputs = found ?? (ahead ? await certain(planned, store, loaded) : undefined)
    if (outputs) done.set(planned.name, { ref: outputs, value: (await store.readJson(outputs)) as Outputs })
    yield stage
  }
}

/** The outputs of a stage that can have no others, whether it is done or not. */
async function certain({ uses }: PlannedStage, store: Lookup, loaded: Loaded): Promise<ArtifactRef | undefined> {
  const stage = loaded.stage(uses)
  if (stage.gate) return store.putJson('outputs', approved)
  return stage.checks === true ? store.putJson('outputs', { values: {}, files: {} }) : undefined
}

/** What follows a gate sees only that. */
const approved: Outputs = { values: { approved: true }, files: {} }

async function look(
  plan: FrozenPlan,
  planned: PlannedStage,
  done: ReadonlyMap<string, { readonly ref: ArtifactRef; readonly value: Outputs }>,
  store: Lookup,
  loaded: Loaded,
): Promise<KnownStage> {
  const of = <T>(pick: (own: { readonly ref: ArtifactRef; readonly value: Outputs }) => T) =>
    Object.fromEntries(planned.needs.map((need) => [needName(planned, need), pick(done.get(need)!)]))
  const parts: KeyParts = {
    plan,
    planned,
    stage: loaded.stage(planned.uses),
    params: stageParams(
      planned,
      of(({ value }) => value),
    ),
    outputs: of(({ ref }) => ref),
  }
  const key = planKey(parts)
  const record = await store.getRecord(key.key)
  const put = async ({ values, files }: TaskRecord['outputs']) => store.putJson('outputs', { values, files })
  if (parts.stage.gate) {
    const task = { task: onlyTask(planned.name), key, record }
    const outputs = record && (await put(approved))
    return { planned, kind: 'planned', key, last: key, tasks: [task], outputs }
  }
  const list = record?.outputs.files.tasks
  if (!list || !(await store.has(list))) return { planned, kind: 'unplanned', key }
  const keyOf = taskKeys(parts)
  const tasks = await inWindow((await store.readJson(list)) as TaskPlan[], recordsAtOnce, async (task) => {
    const key = keyOf(task)
    return { task, key, record: await store.getRecord(key.key) } satisfies KnownTask
  })
  const all = tasks.map((task) => task.task)
  const last = gatherKey(
    parts,
    tasks.map((own) => own.key.key),
    all,
  )
  const gathered = await store.getRecord(last.key)
  return { planned, kind: 'planned', key, last, tasks, outputs: gathered && (await put(gathered.outputs)) }
}
