import type { Digest } from './digest.js'

export type { Digest } from './digest.js'

/**
 * A reference to an immutable, content-addressed file.
 *
 * @typeParam Content  type of the file's contents if it is JSON; known only to the compiler and not stored
 */
export interface ArtifactRef<Content = unknown> {
  /** SHA-256 of the contents. */
  readonly digest: Digest
  /** Size in bytes. */
  readonly bytes: number
  /** Kind of contents, for people and programs: `weights`, `tokens`, `json`, … */
  readonly kind: string
  /** Never present: carries the type `Content`. */
  readonly ' content'?: Content
}

/** The result of a finished task, stored under the task's key. */
export interface TaskRecord {
  readonly version: 1
  readonly key: Digest
  /** Everything that entered the key, so that `explain` can name differences. */
  readonly components: Readonly<Record<string, unknown>>
  readonly outputs: {
    readonly values: Readonly<Record<string, unknown>>
    readonly files: Readonly<Record<string, ArtifactRef>>
  }
  /** Seconds of the attempt that succeeded, when it ended (ISO 8601), and where: evidence only. */
  readonly seconds: number
  readonly finishedAt: string
  readonly host: string
  /** HMAC-SHA256 of all other fields, where the writer had a key (`Signer`). */
  readonly signature?: string
}

/** An artifact or record of a store, found by listing. */
export interface Stored {
  /** An artifact's digest, or a record's key. */
  readonly digest: Digest
  readonly bytes: number
  /** When it was last written or used, in milliseconds since 1970, by the clock of the store's server. */
  readonly modified: number
}

/** A file that is not an artifact, record or document: it comes from work that is in progress, was killed, or failed. */
export interface Leftover {
  readonly kind: 'temporary' | 'checkpoint' | 'set-aside'
  /** Its path or object name, for `removeLeftover`. */
  readonly name: string
  /** For a checkpoint, the key of its task. */
  readonly key?: Digest
  readonly bytes: number
  /** When it was last written, in milliseconds since 1970. */
  readonly modified: number
}

/**
 * Artifacts, task records and documents. Writes are atomic: a reader sees a whole file or none, however many processes
 * write and whenever they are killed. Opening an artifact verifies its digest; a corrupt one is set aside and reported as
 * missing.
 * @throws Failure from every method: OutOfDisk if there is no space, NoServer if the store cannot be reached, read or written
 */
export interface Store {
  /** Twelve hexadecimal digits that identify the store in task queues and workflow ids. A store that moves keeps them. */
  readonly id: string
  /** What `--store` takes: a folder, or `s3://bucket/prefix`. */
  readonly location: string
  /** Local folder for files that accompany the store: logs, the worker's lock. For a store in a folder, the store itself. */
  readonly root: string
  /** Present if records, documents and checkpoints are signed with the user's key, and those of others count as absent.
   *  `refused`: names of those that were read and refused. */
  readonly signing: { readonly refused: ReadonlySet<string> } | undefined

  /** Stores bytes. @param kind  see `ArtifactRef.kind` */
  putBytes(kind: string, data: Uint8Array): Promise<ArtifactRef>
  /** Stores a value as canonical JSON (RFC 8785). */
  putJson(kind: string, data: unknown): Promise<ArtifactRef>
  /** Moves a finished file into the store. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  /** A local, read-only path, valid until `release`. @throws MissingArtifact if it is absent or corrupt */
  path(ref: ArtifactRef): Promise<string>
  /** Reads an artifact that is JSON. @throws MissingArtifact if it is absent or corrupt */
  readJson(ref: ArtifactRef): Promise<unknown>
  /** Whether the artifact exists. */
  has(ref: ArtifactRef): Promise<boolean>
  /** Releases the paths handed out so far, which must not be read afterwards. */
  release(): Promise<void>

  /** A task's record; undefined if there is none, or it is not to be trusted (`readRecord`). */
  getRecord(key: Digest): Promise<TaskRecord | undefined>
  /** Like `getRecord`, for work that depends on the record: notes its use, which protects it from `gc`. */
  useRecord(key: Digest): Promise<TaskRecord | undefined>
  /** Writes a record, unless there is one: the first writer wins.
   *  @param instead  a useless record, which may be replaced. @default none
   *  @returns the record in the store, which may be another process's */
  putRecord(record: TaskRecord, instead?: TaskRecord): Promise<TaskRecord>

  /** Local folder for a task's checkpoints, which it creates. */
  checkpoint(key: Digest): Promise<string>
  /** Copies another machine's checkpoint into the local folder, if it is newer. */
  fetchCheckpoint(key: Digest): Promise<void>
  /** Copies the local folder to a place that survives this machine. */
  saveCheckpoint(key: Digest): Promise<void>
  removeCheckpoint(key: Digest): Promise<void>
  /** Local folder for files in progress, from which `putFile` can move them into the store. */
  scratch(): Promise<string>

  /** Reads a document by its name (`runs/NAME`); undefined if there is none. */
  getDocument(name: string): Promise<unknown>
  /** Writes a document and replaces any other with its name: the last writer wins. */
  putDocument(name: string, value: unknown): Promise<void>
  /** Names of the documents below `prefix/`, in any order. */
  listDocuments(prefix: string): Promise<readonly string[]>
  removeDocument(name: string): Promise<void>

  /** All artifacts, in any order. */
  artifacts(): AsyncIterable<Stored>
  /** All records, in any order. */
  records(): AsyncIterable<Stored>
  leftovers(): AsyncIterable<Leftover>
  /** Hashes an artifact again, and sets a corrupt one aside. */
  verify(digest: Digest): Promise<'sound' | 'corrupt' | 'absent'>
  /** Removes an artifact unless it was written or used since then.
   *  @param unusedSince  milliseconds since 1970  @returns whether it was removed */
  removeArtifact(digest: Digest, unusedSince: number): Promise<boolean>
  /** Removes a record unless it was written or used since then (milliseconds since 1970). @returns whether it was removed */
  removeRecord(key: Digest, unusedSince: number): Promise<boolean>
  removeLeftover(leftover: Leftover): Promise<void>
}
