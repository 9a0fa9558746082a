import { digestJson } from '../store/digest.js'
import type { ArtifactRef, Digest, Store, TaskRecord } from '../store/index.js'
import { inWindow } from './in-window.js'

/** The parts of a stored run that determine what the run needs. */
export interface KnownRun {
  readonly run: string
  readonly plan: ArtifactRef
  readonly startedAt: string
  /** Outputs of stages that it needs but does not run. */
  readonly given?: Readonly<Record<string, ArtifactRef>>
  /** Outputs of all stages, once it has finished. */
  readonly outputs?: Readonly<Record<string, ArtifactRef>>
}

/** A record, with the store's information on its file. */
export interface KnownRecord {
  readonly record: TaskRecord
  readonly bytes: number
  readonly modified: number
}

/** Kind of an artifact, and the tasks that created it. */
export interface Origin {
  readonly kind: string
  readonly bytes: number
  readonly tasks: readonly string[]
}

/** All records of a store, by key. */
export type Records = ReadonlyMap<Digest, KnownRecord>

/** Number of parallel requests, since a remote store answers each one late. */
const atOnce = 16

/** Reads all records. Unreadable ones count as absent, as they do for tasks. */
export async function readRecords(store: Store): Promise<Records> {
  const listed = []
  for await (const stored of store.records()) listed.push(stored)
  const records = new Map<Digest, KnownRecord>()
  await inWindow(listed, atOnce, async ({ digest, bytes, modified }) => {
    const record = await store.getRecord(digest)
    if (record) records.set(digest, { record, bytes, modified })
  })
  return records
}

/** Names a task for people: stage type and the task's id. */
export function taskName({ components }: TaskRecord): string {
  const { stage, task, kind } = components as { stage: string; task?: string; kind: string }
  if (task !== undefined) return `${stage}/${task}`
  return kind === 'run' ? stage : `${stage}: ${kind}`
}

/** Digest of the artifact with the outputs of a stage, from the record of its gathering. */
export function outputsOf({ outputs: { values, files } }: TaskRecord): Digest {
  return digestJson({ values, files })
}

/** Finds the origin of every artifact that a record or a run mentions. */
export function originsOf(records: Records, runs: readonly KnownRun[]): ReadonlyMap<Digest, Origin> {
  const origins = new Map<Digest, Origin & { readonly tasks: string[] }>()
  const known = new Set<string>()
  const add = (digest: Digest, bytes: number, kind: string, task: string) => {
    const { tasks = [] } = origins.get(digest) ?? {}
    origins.set(digest, { kind, bytes, tasks })
    // Thousands of tasks may have created the same artifact.
    if (known.has(`${digest} ${task}`)) return
    known.add(`${digest} ${task}`)
    tasks.push(task)
  }
  for (const { record } of records.values()) {
    for (const { digest, bytes, kind } of Object.values(record.outputs.files))
      add(digest, bytes, kind, taskName(record))
    if (record.components.kind === 'gather') add(outputsOf(record), 0, 'outputs', taskName(record))
  }
  for (const { run, plan } of runs) add(plan.digest, plan.bytes, 'plan', `run ${run}`)
  return origins
}
