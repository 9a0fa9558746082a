import type { Digest } from './digest.js'

export type { Digest } from './digest.js'

/** A reference to an immutable, content-addressed file. */
export interface ArtifactRef {
  readonly digest: Digest
  readonly bytes: number
  /** What it holds, for people and readers: `weights`, `tokens`, `json`, … */
  readonly kind: string
}

/** What is kept of a finished task under its key. */
export interface TaskRecord {
  readonly version: 1
  readonly key: Digest
  /** All that entered the key, so that `explain` can name differences. */
  readonly components: Readonly<Record<string, unknown>>
  readonly outputs: {
    readonly values: Readonly<Record<string, unknown>>
    readonly files: Readonly<Record<string, ArtifactRef>>
  }
  /** Seconds of the attempt that succeeded, when it ended (ISO 8601), and where: evidence only. */
  readonly seconds: number
  readonly finishedAt: string
  readonly host: string
}

/**
 * Artifacts and task records. All writes are atomic: a reader sees a whole artifact or none.
 * Opening an artifact verifies its digest; a corrupt one is set aside and reported as missing.
 */
export interface Store {
  /** Digest of the store's identity; task queues and workflow ids carry its first characters. */
  readonly id: string
  readonly root: string
  putBytes(kind: string, data: Uint8Array): Promise<ArtifactRef>
  putJson(kind: string, data: unknown): Promise<ArtifactRef>
  /** Moves a finished file into the store. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  /** A local, read-only path; throws `MissingArtifact` when it is absent or corrupt. */
  path(ref: ArtifactRef): Promise<string>
  readJson(ref: ArtifactRef): Promise<unknown>
  has(ref: ArtifactRef): Promise<boolean>
  getRecord(key: Digest): Promise<TaskRecord | undefined>
  putRecord(record: TaskRecord): Promise<void>
  /** All records, in no order. */
  listRecords(): AsyncIterable<TaskRecord>
  /** Folder for a task's checkpoints; created. */
  checkpoint(key: Digest): Promise<string>
  removeCheckpoint(key: Digest): Promise<void>
  /** Named mutable documents (runs): written by rename. */
  getDocument(name: string): Promise<unknown>
  putDocument(name: string, value: unknown): Promise<void>
  listDocuments(prefix: string): Promise<readonly string[]>
}
