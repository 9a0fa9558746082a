import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { Failure } from '../errors/failure.js'
import { Cache } from './cache.js'
import { canonicalJson, digestBytes, parseDigest, type Digest } from './digest.js'
import { documentText, readDocument } from './document.js'
import { digestFile, extent, fileFailure, makeFolder, namesIn } from './files.js'
import { newId, parseIdentity } from './identity.js'
import {
  artifactName,
  checkpointFolders,
  digestInName,
  documentName,
  freshFor,
  identityName,
  recordName,
  setAsideName,
} from './layout.js'
import { MissingArtifact } from './missing-artifact.js'
import { cacheDirectory, stateDirectory } from './paths.js'
import { readRecord, recordText, sameRecord, signedRecord } from './record.js'
import { Bucket } from './s3-bucket.js'
import { S3Checkpoints } from './s3-checkpoints.js'
import type { Signer } from './signer.js'
import type { ArtifactRef, Leftover, Store, Stored, TaskRecord } from './store.js'

/** Default size of the local cache of artifacts: 20 GiB. */
export const defaultCacheBytes = 20 * 2 ** 30

export interface S3StoreOptions {
  /** Largest size of the local cache, in bytes. @default `PUZZLEFLOW_CACHE_BYTES`, or 20 GiB */
  readonly cacheBytes?: number
  /** Whether nothing will be written, so that a place without a store gets no identity. @default false */
  readonly onlyRead?: boolean
  /** Signs records, documents and checkpoints, and refuses those of others. @default none */
  readonly signer?: Signer | undefined
}

/**
 * A store in a bucket of S3, or of a server that speaks its protocol. Artifacts that are read are kept in a local cache. Any
 * number of machines may share a store.
 */
export class S3Store implements Store {
  readonly root: string
  private readonly cache: Cache
  private readonly checkpoints: S3Checkpoints

  private constructor(
    readonly id: string,
    private readonly bucket: Bucket,
    cacheBytes: number,
    private readonly signer: Signer | undefined,
  ) {
    this.root = join(stateDirectory(), 'stores', id)
    this.cache = new Cache(join(cacheDirectory(), 'stores', id), cacheBytes)
    this.checkpoints = new S3Checkpoints(
      bucket,
      join(this.root, checkpointFolders[signer ? 'signed' : 'unsigned']),
      signer,
    )
  }

  /** Opens the store; a new one gets its identity. @throws Failure NoServer, InvalidInput */
  static async open(location: string, options: S3StoreOptions = {}): Promise<S3Store> {
    const cacheBytes = options.cacheBytes ?? cacheBytesOf(process.env.PUZZLEFLOW_CACHE_BYTES)
    // Few attempts, so that a user who has mistyped an address does not wait for half a minute.
    const id = await identityOf(await Bucket.open(location, 3), options.onlyRead)
    return new S3Store(id, await Bucket.open(location), cacheBytes, options.signer)
  }

  get location(): string {
    return this.bucket.location
  }

  get signing(): Store['signing'] {
    return this.signer
  }

  async putBytes(kind: string, data: Uint8Array): Promise<ArtifactRef> {
    const digest = digestBytes(data)
    const path = this.cache.temporary()
    await this.local(async () => {
      await makeFolder(dirname(path))
      await writeFile(path, data)
    })
    return this.store({ digest, bytes: data.byteLength, kind }, path)
  }

  putJson(kind: string, data: unknown): Promise<ArtifactRef> {
    return this.putBytes(kind, Buffer.from(canonicalJson(data)))
  }

  async putFile(kind: string, path: string): Promise<ArtifactRef> {
    const digest = await this.local(() => digestFile(path))
    const { size } = await this.local(() => stat(path))
    return this.store({ digest, bytes: size, kind }, path)
  }

  private async store(ref: ArtifactRef, path: string): Promise<ArtifactRef> {
    const name = artifactName(ref.digest)
    const found = await this.bucket.head(name)
    // An old artifact is written again, so that `gc` does not consider it unused.
    if (found?.bytes !== ref.bytes || !isFresh(found.modified)) await this.bucket.upload(name, path, ref.digest)
    await this.cache.adopt(ref.digest, ref.bytes, path)
    return ref
  }

  /** Converts errors of local files to failures with a remedy. */
  private async local<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw fileFailure(error, this.cache.root)
    }
  }

  path(ref: ArtifactRef): Promise<string> {
    const digest = parseDigest(ref.digest)
    return this.cache.open(digest, ref.bytes, async (path) => {
      const found = await this.bucket.download(artifactName(digest), path)
      if (found === digest) return
      if (found !== undefined) await this.setAside(digest)
      throw new MissingArtifact(ref, found === undefined ? 'absent' : 'corrupt')
    })
  }

  async readJson(ref: ArtifactRef): Promise<unknown> {
    return JSON.parse(await readFile(await this.path(ref), 'utf8')) as unknown
  }

  /** Whether an artifact exists with the right size. Its digest is checked when it is read. */
  async has(ref: ArtifactRef): Promise<boolean> {
    return (await this.bucket.head(artifactName(parseDigest(ref.digest))))?.bytes === ref.bytes
  }

  release(): Promise<void> {
    return this.cache.release()
  }

  async getRecord(key: Digest): Promise<TaskRecord | undefined> {
    return readRecord((await this.bucket.text(recordName(key)))?.text, key, this.signer)
  }

  async useRecord(key: Digest): Promise<TaskRecord | undefined> {
    const found = await this.bucket.text(recordName(key))
    const record = readRecord(found?.text, key, this.signer)
    if (!found || !record || isFresh(found.modified)) return record
    const isThere = await this.bucket.put(recordName(key), found.text, { ifTag: found.etag })
    return isThere ? record : this.getRecord(key)
  }

  async putRecord(unsigned: TaskRecord, instead?: TaskRecord): Promise<TaskRecord> {
    const record = signedRecord(unsigned, this.signer)
    const name = recordName(record.key)
    for (;;) {
      if (await this.bucket.put(name, recordText(record), { ifNew: true })) return record
      const found = await this.bucket.text(name)
      if (!found) continue
      const kept = readRecord(found.text, record.key, this.signer)
      if (kept && !(instead && sameRecord(kept, instead))) return kept
      if (await this.bucket.put(name, recordText(record), { ifTag: found.etag })) return record
    }
  }

  checkpoint = (key: Digest) => this.local(() => this.checkpoints.open(key))
  fetchCheckpoint = (key: Digest) => this.local(() => this.checkpoints.fetch(key))
  saveCheckpoint = (key: Digest) => this.local(() => this.checkpoints.save(key))
  removeCheckpoint = (key: Digest) => this.local(() => this.checkpoints.remove(key))
  scratch = () => this.cache.scratch()

  async getDocument(name: string): Promise<unknown> {
    return readDocument(name, (await this.bucket.text(documentName(name)))?.text, this.signer)
  }

  async putDocument(name: string, value: unknown): Promise<void> {
    await this.bucket.put(documentName(name), documentText(name, value, this.signer))
  }

  async listDocuments(prefix: string): Promise<readonly string[]> {
    const folder = dirname(documentName(`${prefix}/x`))
    const names = []
    for await (const { name } of this.bucket.list(`${folder}/`)) names.push(name.slice('documents/'.length))
    return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))
  }

  removeDocument = (name: string) => this.bucket.remove(documentName(name))

  artifacts = () => this.list('artifacts/')
  records = () => this.list('records/')

  private async *list(prefix: string): AsyncIterable<Stored> {
    for await (const { name, bytes, modified } of this.bucket.list(prefix)) {
      const digest = digestInName(name)
      if (digest) yield { digest, bytes, modified }
    }
  }

  async *leftovers(): AsyncIterable<Leftover> {
    for await (const { name, bytes, modified } of this.bucket.list('corrupt/'))
      yield { kind: 'set-aside', name, bytes, modified }
    for await (const { name, bytes, modified } of this.bucket.list('checkpoints/')) {
      const key = digestInName(name.split('/')[1] ?? '')
      yield { kind: 'checkpoint', name, bytes, modified, ...(key && { key }) }
    }
    for await (const { name, id, modified } of this.bucket.uploads())
      yield { kind: 'temporary', name: `${name}#${id}`, bytes: 0, modified }
    // Local folders.
    const checkpoints = Object.values(checkpointFolders).map(
      (folder) => ['checkpoint', join(this.root, folder)] as const,
    )
    for (const [kind, folder] of [...checkpoints, ['temporary', this.cache.scratchFolder] as const])
      for (const entry of await this.local(() => namesIn(folder))) {
        const key = kind === 'checkpoint' ? digestInName(entry) : undefined
        const name = join(folder, entry)
        yield { kind, name, ...(key && { key }), ...(await this.local(() => extent(name))) }
      }
  }

  async removeLeftover({ kind, name }: Leftover): Promise<void> {
    if (isAbsolute(name)) return this.local(() => rm(name, { recursive: true, force: true }))
    if (kind !== 'temporary') return this.bucket.remove(name)
    const at = name.indexOf('#')
    await this.bucket.abortUpload(name.slice(0, at), name.slice(at + 1))
  }

  async verify(digest: Digest): Promise<'sound' | 'corrupt' | 'absent'> {
    const found = await this.bucket.digest(artifactName(digest))
    if (found === undefined) return 'absent'
    if (found === digest) return 'sound'
    await this.setAside(digest)
    return 'corrupt'
  }

  private async setAside(digest: Digest): Promise<void> {
    await this.bucket.copy(artifactName(digest), setAsideName(digest))
    await this.bucket.remove(artifactName(digest))
  }

  removeArtifact = (digest: Digest, unusedSince: number) => this.remove(artifactName(digest), unusedSince)
  removeRecord = (key: Digest, unusedSince: number) => this.remove(recordName(key), unusedSince)

  /** Removes an object that is not in use. A use between check and removal goes unnoticed; then a task finds the object missing
   *  and is run again. */
  private async remove(name: string, unusedSince: number): Promise<boolean> {
    const found = await this.bucket.head(name)
    if (!found || found.modified >= unusedSince) return false
    await this.bucket.remove(name)
    return true
  }
}

const isFresh = (modified: number) => Date.now() - modified < freshFor

async function identityOf(bucket: Bucket, onlyRead = false): Promise<string> {
  const place = `${bucket.location.replace(/\/$/, '')}/${identityName}`
  const found = await bucket.text(identityName)
  if (found) return parseIdentity(found.text, place).id
  // The store does not exist and will not be created, so its id does not matter.
  if (onlyRead) return digestBytes(place).slice(0, 12)
  const id = newId()
  // If several processes do this at the same time, the first wins.
  if (await bucket.put(identityName, JSON.stringify({ version: 1, id }, null, 1), { ifNew: true })) return id
  return parseIdentity((await bucket.text(identityName))?.text ?? '', place).id
}

/** Reads PUZZLEFLOW_CACHE_BYTES. @throws Failure InvalidInput */
function cacheBytesOf(text: string | undefined): number {
  if (text === undefined || text === '') return defaultCacheBytes
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Failure('InvalidInput', `PUZZLEFLOW_CACHE_BYTES is "${text}", which is not a number of bytes`, {
    remedy: 'Write a whole number, such as 21474836480 for 20 GiB.',
  })
}
