import { existsSync } from 'node:fs'
import { readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { canonicalJson, digestBytes, parseDigest, type Digest } from './digest.js'
import { digestFile, fileFailure, isAbsent, makeFolder, moveDurably, namesIn, readText } from './files.js'
import { setTimeAnew, stampOf, unique, writeNew, writeWhole } from './files.js'
import { identityOf } from './identity.js'
import { artifactName, checkpointFolders, checkpointName, documentName, freshFor, identityName } from './layout.js'
import { recordName, setAsideName } from './layout.js'
import { MissingArtifact } from './missing-artifact.js'
import { defaultStoreRoot, stateDirectory } from './paths.js'
import { guarded, listDigests, listLeftovers, removeUnused } from './folder-contents.js'
import { documentText, readDocument } from './document.js'
import { readRecord, recordText, sameRecord, signedRecord } from './record.js'
import type { Signer } from './signer.js'
import type { ArtifactRef, Leftover, Store, TaskRecord } from './store.js'

/**
 * A store in a folder of the file system, which may be shared. Files are first written to `scratch/`, under names that are
 * unique to the process, and then renamed.
 */
export class FileStore implements Store {
  /** Artifacts that this process has verified, with the state of their files at that time. */
  private readonly verified = new Map<Digest, string>()
  private identity: string | undefined

  /** @param root  the folder, which the first write creates. @default the user's store
   *  @param signer  signs records and documents, and refuses those of others. @default none */
  constructor(
    readonly root = defaultStoreRoot(),
    private readonly signer?: Signer,
  ) {}

  get signing(): Store['signing'] {
    return this.signer
  }

  get id(): string {
    return (this.identity ??= identityOf(this.root))
  }

  get location(): string {
    return this.root
  }

  private place = (name: string) => join(this.root, name)
  private temporary = () => this.place(`scratch/${unique()}.tmp`)

  /** Converts errors of the file system to failures with a remedy. */
  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw fileFailure(error, this.root)
    }
  }

  async putBytes(kind: string, data: Uint8Array): Promise<ArtifactRef> {
    const digest = digestBytes(data)
    const ref = { digest, bytes: data.byteLength, kind }
    await this.guard(async () => {
      if (await this.refresh(ref)) return
      const target = this.place(artifactName(digest))
      await writeWhole(this.temporary(), target, data)
      this.verified.set(digest, await stampOf(target))
    })
    return ref
  }

  putJson(kind: string, data: unknown): Promise<ArtifactRef> {
    return this.putBytes(kind, Buffer.from(canonicalJson(data)))
  }

  async putFile(kind: string, path: string): Promise<ArtifactRef> {
    return this.guard(async () => {
      const digest = await digestFile(path)
      const { size } = await stat(path)
      const ref = { digest, bytes: size, kind }
      // An existing file is not replaced: on a shared mount, a reader on another machine would lose it.
      if (await this.refresh(ref)) await rm(path)
      else {
        const target = this.place(artifactName(digest))
        await moveDurably(path, this.temporary(), target)
        this.verified.set(digest, await stampOf(target))
      }
      return ref
    })
  }

  /** Whether an artifact exists completely. If so, an old file's time is updated, so that `gc` does not consider it unused. */
  private async refresh(ref: ArtifactRef): Promise<boolean> {
    if (!(await this.has(ref))) return false
    const place = this.place(artifactName(ref.digest))
    if (!(await setTimeAnew(place, this.temporary(), freshFor))) return false
    this.verified.set(ref.digest, await stampOf(place))
    return true
  }

  path(ref: ArtifactRef): Promise<string> {
    return this.guard(async () => {
      const state = await this.check(parseDigest(ref.digest))
      if (state !== 'sound') throw new MissingArtifact(ref, state)
      return this.place(artifactName(ref.digest))
    })
  }

  private async check(digest: Digest): Promise<'sound' | 'corrupt' | 'absent'> {
    const place = this.place(artifactName(digest))
    try {
      const state = await stampOf(place)
      if (this.verified.get(digest) === state) return 'sound'
      // What is not a file may have no end.
      if ((await stat(place)).isFile() && (await digestFile(place)) === digest) {
        this.verified.set(digest, state)
        return 'sound'
      }
      const aside = this.place(setAsideName(digest))
      await makeFolder(dirname(aside))
      await rename(place, aside)
      return 'corrupt'
    } catch (error) {
      // Another process may have set it aside first.
      if (isAbsent(error)) return 'absent'
      throw error
    }
  }

  verify(digest: Digest): Promise<'sound' | 'corrupt' | 'absent'> {
    this.verified.delete(digest)
    return this.guard(() => this.check(digest))
  }

  async readJson(ref: ArtifactRef): Promise<unknown> {
    const data = await readFile(await this.path(ref))
    // Others may write to the folder: what is used is what was checked.
    if (digestBytes(data) !== ref.digest) throw new MissingArtifact(ref, 'corrupt')
    return JSON.parse(data.toString('utf8')) as unknown
  }

  async has(ref: ArtifactRef): Promise<boolean> {
    return (await this.guard(() => this.check(parseDigest(ref.digest)))) === 'sound'
  }

  async release(): Promise<void> {
    // Paths lead to the store itself.
  }

  getRecord(key: Digest): Promise<TaskRecord | undefined> {
    return this.guard(async () => readRecord(await readText(this.place(recordName(key))), key, this.signer))
  }

  async useRecord(key: Digest): Promise<TaskRecord | undefined> {
    const exists = await this.guard(() => setTimeAnew(this.place(recordName(key)), this.temporary(), freshFor))
    return exists ? this.getRecord(key) : undefined
  }

  putRecord(unsigned: TaskRecord, instead?: TaskRecord): Promise<TaskRecord> {
    const record = signedRecord(unsigned, this.signer)
    const place = this.place(recordName(record.key))
    return this.guard(async () => {
      if (await writeNew(this.temporary(), place, recordText(record))) return record
      const kept = await this.getRecord(record.key)
      if (kept && !(instead && sameRecord(kept, instead))) return kept
      await writeWhole(this.temporary(), place, recordText(record))
      return record
    })
  }

  checkpoint(key: Digest): Promise<string> {
    return this.folder(this.checkpointPlace(key))
  }

  /** With a key, a folder that only this user can write to: a task that continues from another's would sign the result. */
  private checkpointPlace = (key: Digest): string =>
    this.signer ? join(this.checkpointsHere, key) : this.place(checkpointName(key))

  private get checkpointsHere(): string {
    return join(stateDirectory(), 'stores', this.id, checkpointFolders.signed)
  }

  async fetchCheckpoint(): Promise<void> {
    // Whoever has the folder has its checkpoints.
  }

  async saveCheckpoint(): Promise<void> {
    // They are there.
  }

  async removeCheckpoint(key: Digest): Promise<void> {
    await this.guard(() => rm(this.checkpointPlace(key), { recursive: true, force: true }))
  }

  scratch(): Promise<string> {
    return this.folder(this.place('scratch'))
  }

  private async folder(folder: string): Promise<string> {
    await this.guard(() => makeFolder(folder))
    return folder
  }

  getDocument(name: string): Promise<unknown> {
    return this.guard(async () => readDocument(name, await readText(this.place(documentName(name))), this.signer))
  }

  async putDocument(name: string, value: unknown): Promise<void> {
    const text = documentText(name, value, this.signer)
    await this.guard(() => writeWhole(this.temporary(), this.place(documentName(name)), text))
  }

  async listDocuments(prefix: string): Promise<readonly string[]> {
    const names = await this.guard(() => namesIn(dirname(this.place(documentName(`${prefix}/x`)))))
    return names.filter((name) => name.endsWith('.json')).map((name) => `${prefix}/${name.slice(0, -5)}`)
  }

  async removeDocument(name: string): Promise<void> {
    await this.guard(() => rm(this.place(documentName(name)), { force: true }))
  }

  artifacts = () => this.list('artifacts')
  records = () => this.list('records')

  private list = (room: string) => guarded(listDigests(this.root, room), this.root)
  /** Looking at a store that is not there yet does not create it. */
  leftovers = () =>
    guarded(
      listLeftovers(this.root, existsSync(this.place(identityName)) ? this.checkpointsHere : undefined),
      this.root,
    )

  async removeLeftover({ name }: Leftover): Promise<void> {
    await this.guard(() => rm(resolve(this.root, name), { recursive: true, force: true }))
  }

  removeArtifact = (digest: Digest, unusedSince: number) => this.remove(artifactName(digest), unusedSince)
  removeRecord = (key: Digest, unusedSince: number) => this.remove(recordName(key), unusedSince)

  private remove = (name: string, unusedSince: number) =>
    this.guard(() => removeUnused(this.place(name), this.temporary(), unusedSince))
}
