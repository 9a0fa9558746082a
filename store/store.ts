import type { Digest } from './digest.js'

export type { Digest } from './digest.js'

/**
 * A reference to an immutable, content-addressed file.
 *
 * @typeParam Content  what the file holds when it is JSON. Known to the compiler alone: nothing is stored of it
 */
export interface ArtifactRef<Content = unknown> {
  readonly digest: Digest
  readonly bytes: number
  /** What it holds, for people and readers: `weights`, `tokens`, `json`, … */
  readonly kind: string
  /** Never there. */
  readonly ' content'?: Content
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

/** Something that lies in a store, found by listing. */
export interface Stored {
  /** An artifact's digest, or a record's key. */
  readonly digest: Digest
  readonly bytes: number
  /** When it was written or its use was noted, milliseconds since 1970 by the clock of where the store lies. */
  readonly modified: number
}

/** What is neither artifact nor record nor document: of work that goes on, was killed, or came to nothing. */
export interface Leftover {
  readonly kind: 'temporary' | 'checkpoint' | 'set-aside'
  /** Its place, in the words of the store. */
  readonly name: string
  /** Key of the task whose checkpoint it is. */
  readonly key?: Digest
  readonly bytes: number
  readonly modified: number
}

/**
 * Artifacts, task records and documents. All writes are whole or not there: a reader sees a whole file or none, however
 * many write and whenever they are killed. Opening an artifact verifies its digest; a corrupt one is set aside and
 * reported as missing.
 * @throws Failure OutOfDisk when there is no space, NoServer when the store cannot be reached, read or written
 */
export interface Store {
  /** Its identity; task queues and workflow ids carry it. Stays when the store is moved. */
  readonly id: string
  /** What `--store` takes: a folder, or `s3://bucket/prefix`. */
  readonly location: string
  /** Folder of this machine for what belongs to the store: logs, the worker's lock. The store itself if it is a folder. */
  readonly root: string

  putBytes(kind: string, data: Uint8Array): Promise<ArtifactRef>
  putJson(kind: string, data: unknown): Promise<ArtifactRef>
  /** Moves a finished file into the store. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  /** A local, read-only path, good until `release`. @throws MissingArtifact when it is absent or corrupt */
  path(ref: ArtifactRef): Promise<string>
  readJson(ref: ArtifactRef): Promise<unknown>
  has(ref: ArtifactRef): Promise<boolean>
  /** The paths handed out so far are of no use any more. */
  release(): Promise<void>

  getRecord(key: Digest): Promise<TaskRecord | undefined>
  /** The same for work that will build on it: its use is noted, which protects it from `gc`. */
  useRecord(key: Digest): Promise<TaskRecord | undefined>
  /** The first writer wins. @param instead  a record found to be of no use, which may be replaced
   *  @returns the record that is kept, which may be another process's */
  putRecord(record: TaskRecord, instead?: TaskRecord): Promise<TaskRecord>

  /** Local folder for a task's checkpoints; created. */
  checkpoint(key: Digest): Promise<string>
  /** Brings the checkpoint that another machine has left, where it is newer, into the local folder. */
  fetchCheckpoint(key: Digest): Promise<void>
  /** Keeps the local folder's state where it survives this machine. */
  saveCheckpoint(key: Digest): Promise<void>
  removeCheckpoint(key: Digest): Promise<void>
  /** Local folder for files that are being made, from which they can be moved into the store. */
  scratch(): Promise<string>

  /** Named mutable documents (runs): the last writer wins. */
  getDocument(name: string): Promise<unknown>
  putDocument(name: string, value: unknown): Promise<void>
  listDocuments(prefix: string): Promise<readonly string[]>
  removeDocument(name: string): Promise<void>

  /** All artifacts, in no order. */
  artifacts(): AsyncIterable<Stored>
  records(): AsyncIterable<Stored>
  leftovers(): AsyncIterable<Leftover>
  /** Hashes an artifact anew; a corrupt one is set aside. */
  verify(digest: Digest): Promise<'sound' | 'corrupt' | 'absent'>
  /** Removes it unless it was written or used since then (milliseconds since 1970). @returns whether it was removed */
  removeArtifact(digest: Digest, unusedSince: number): Promise<boolean>
  removeRecord(key: Digest, unusedSince: number): Promise<boolean>
  removeLeftover(leftover: Leftover): Promise<void>
}
