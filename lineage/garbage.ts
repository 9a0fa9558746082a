import type { Digest, Leftover, Store, Stored } from '../store/index.js'
import { freshFor } from '../store/layout.js'
import { outputsOf, originsOf, readRecords, type KnownRun, type Records } from './inventory.js'
import { needsOf, type TypesOf } from './needs.js'

export interface GarbageOptions {
  /** Runs whose records and artifacts stay. */
  readonly kept: readonly KnownRun[]
  /** Those of them that may be active. */
  readonly running: readonly KnownRun[]
  /** Everything written or used since this time stays, in milliseconds since 1970. */
  readonly unusedSince: number
  /** Whether to remove anything, and not only report it. */
  readonly apply: boolean
}

/** Files of one kind. */
export interface Share {
  readonly kind: string
  readonly count: number
  readonly bytes: number
}

export interface Garbage {
  /** Files that were removed, or would be, by kind. */
  readonly removed: readonly Share[]
  readonly kept: readonly Share[]
  readonly bytes: number
}

/**
 * Removes what no kept run needs and nothing has used recently: first records, then artifacts that no remaining record refers
 * to, then leftovers of killed work. While a run is active, everything written or used since it began stays, because its tasks
 * store artifacts before the record that refers to them.
 */
export async function collectGarbage(store: Store, typesOf: TypesOf, options: GarbageOptions): Promise<Garbage> {
  const { kept: runs, running, apply } = options
  const starts = running.map(({ startedAt }) => Date.parse(startedAt) - 2 * freshFor)
  const unusedSince = Math.min(options.unusedSince, ...starts)
  const [removed, kept] = [new Shares(), new Shares()]
  const records = await readRecords(store)
  const origins = originsOf(records, runs)
  const keys = new Set<Digest>()
  const artifacts = new Set<Digest>()
  for (const run of runs) {
    const needs = await needsOf(store, records, run, typesOf)
    needs.keys.forEach((key) => keys.add(key))
    needs.artifacts.forEach((digest) => artifacts.add(digest))
  }

  /** Whether something is removed, or would be; what has been used in the meantime stays. */
  const goes = async ({ modified }: Stored, remove: () => Promise<boolean>) =>
    modified < unusedSince && (!apply || (await remove()))
  for await (const stored of store.records()) {
    const isGone =
      !keys.has(stored.digest) && (await goes(stored, () => store.removeRecord(stored.digest, unusedSince)))
    ;(isGone ? removed : kept).add('record', stored.bytes)
    if (!isGone) (await filesOf(store, records, stored.digest)).forEach((digest) => artifacts.add(digest))
  }
  for await (const stored of store.artifacts()) {
    const kind = origins.get(stored.digest)?.kind ?? 'unknown'
    const isGone =
      !artifacts.has(stored.digest) && (await goes(stored, () => store.removeArtifact(stored.digest, unusedSince)))
    ;(isGone ? removed : kept).add(kind, stored.bytes)
  }
  const left: Leftover[] = []
  for await (const leftover of store.leftovers()) left.push(leftover)
  for (const leftover of left) {
    const isGone = leftover.modified < unusedSince && !(leftover.key && keys.has(leftover.key))
    if (isGone && apply) await store.removeLeftover(leftover)
    ;(isGone ? removed : kept).add(leftover.kind, leftover.bytes)
  }
  return { removed: removed.list(), kept: kept.list(), bytes: removed.bytes }
}

/** Lists the artifacts that a remaining record refers to. */
async function filesOf(store: Store, records: Records, key: Digest): Promise<readonly Digest[]> {
  // A record that was written after the others were read is read now.
  const record = records.get(key)?.record ?? (await store.getRecord(key))
  if (!record) return []
  const files = Object.values(record.outputs.files).map(({ digest }) => digest)
  return record.components.kind === 'gather' ? [...files, outputsOf(record)] : files
}

class Shares {
  private readonly byKind = new Map<string, { count: number; bytes: number }>()
  bytes = 0

  add(kind: string, bytes: number): void {
    const share = this.byKind.get(kind) ?? { count: 0, bytes: 0 }
    this.byKind.set(kind, { count: share.count + 1, bytes: share.bytes + bytes })
    this.bytes += bytes
  }

  list(): Share[] {
    return [...this.byKind].map(([kind, share]) => ({ kind, ...share })).sort((a, b) => b.bytes - a.bytes)
  }
}
