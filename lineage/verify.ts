import { recordTitle } from '../store/record.js'
import type { Digest, Store } from '../store/index.js'
import { inWindow } from './in-window.js'
import { originsOf, readRecords, type KnownRun, type Origin } from './inventory.js'

/** A damaged or missing artifact, with its origin. */
export interface Damage extends Partial<Origin> {
  readonly digest: Digest
}

export interface Verification {
  /** Number of artifacts that were read. */
  readonly artifacts: number
  /** Their total size. */
  readonly bytes: number
  readonly records: number
  /** Corrupt artifacts, which have been set aside. Their tasks are run again when a run needs them. */
  readonly corrupt: readonly Damage[]
  /** Missing artifacts that records refer to. */
  readonly missing: readonly Damage[]
  /** Keys of damaged records. They count as absent, and are replaced when the task is run again. */
  readonly badRecords: readonly Digest[]
  /** Names of records and documents that are sound but not signed with the user's key, if there is one. They count as absent too. */
  readonly notSigned: readonly string[]
}

/** Number of artifacts to hash in parallel. */
const atOnce = 4

/** Verifies every artifact and record of a store. */
export async function verifyStore(store: Store, runs: readonly KnownRun[]): Promise<Verification> {
  const records = await readRecords(store)
  const origins = originsOf(records, runs)
  const describe = (digest: Digest): Damage => ({ digest, ...origins.get(digest) })
  const badRecords: Digest[] = []
  const refused = store.signing?.refused ?? new Set()
  for await (const { digest } of store.records())
    if (!records.has(digest) && !refused.has(recordTitle(digest))) badRecords.push(digest)
  const listed = []
  for await (const stored of store.artifacts()) listed.push(stored)
  const states = await inWindow(listed, atOnce, ({ digest }) => store.verify(digest))
  const there = new Set(listed.filter((_, i) => states[i] !== 'absent').map(({ digest }) => digest))
  const wanted = new Set<Digest>()
  for (const { record } of records.values())
    for (const { digest } of Object.values(record.outputs.files)) wanted.add(digest)
  return {
    artifacts: listed.length,
    bytes: listed.reduce((sum, { bytes }) => sum + bytes, 0),
    records: records.size,
    corrupt: listed.filter((_, i) => states[i] === 'corrupt').map(({ digest }) => describe(digest)),
    missing: [...wanted].filter((digest) => !there.has(digest)).map(describe),
    badRecords,
    notSigned: [...refused].sort(),
  }
}
