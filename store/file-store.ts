import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Failure } from '../plugins/api/failure.js'
import { canonicalJson, digestBytes, digestJson, parseDigest, type Digest } from './digest.js'
import { MissingArtifact } from './missing-artifact.js'
import { defaultStoreRoot } from './paths.js'
import type { ArtifactRef, Store, TaskRecord } from './store.js'

/** A store in a folder of the file system. What is written is first written beside its place, then renamed. */
export class FileStore implements Store {
  readonly id: string
  /** Artifacts whose digest this process has verified, and the state of the file then. */
  private readonly verified = new Map<Digest, string>()

  /** Default folder: of this user. It is made when something is written. */
  constructor(readonly root = defaultStoreRoot()) {
    this.id = digestJson(root).slice(0, 12)
  }

  private place(digest: Digest): string {
    return join(this.root, 'artifacts', digest.slice(0, 2), digest)
  }

  async putBytes(kind: string, data: Uint8Array): Promise<ArtifactRef> {
    const digest = digestBytes(data)
    const ref = { digest, bytes: data.byteLength, kind }
    if (!(await this.has(ref))) {
      await writeWhole(this.place(digest), data)
      this.verified.set(digest, await stamp(this.place(digest)))
    }
    return ref
  }

  putJson(kind: string, data: unknown): Promise<ArtifactRef> {
    return this.putBytes(kind, Buffer.from(canonicalJson(data)))
  }

  async putFile(kind: string, path: string): Promise<ArtifactRef> {
    const digest = await digestFile(path)
    const { size } = await stat(path)
    const target = this.place(digest)
    await guard(async () => {
      await mkdir(dirname(target), { recursive: true })
      await sync(path)
      try {
        await rename(path, target)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
        const temporary = `${target}.${unique()}.tmp`
        await copyFile(path, temporary)
        await sync(temporary)
        await rename(temporary, target)
        await rm(path)
      }
      await sync(dirname(target))
    })
    this.verified.set(digest, await stamp(target))
    return { digest, bytes: size, kind }
  }

  async path(ref: ArtifactRef): Promise<string> {
    const digest = parseDigest(ref.digest)
    const place = this.place(digest)
    let found: Digest
    let state: string
    try {
      state = await stamp(place)
      if (this.verified.get(digest) === state) return place
      found = await digestFile(place)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw new MissingArtifact(ref, 'absent')
    }
    if (found !== digest) {
      // Another process may have been faster.
      await rename(place, `${place}.corrupt`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
      throw new MissingArtifact(ref, 'corrupt')
    }
    this.verified.set(digest, state)
    return place
  }

  async readJson(ref: ArtifactRef): Promise<unknown> {
    return JSON.parse(await readFile(await this.path(ref), 'utf8')) as unknown
  }

  async has(ref: ArtifactRef): Promise<boolean> {
    try {
      await this.path(ref)
      return true
    } catch (error) {
      if (error instanceof MissingArtifact) return false
      throw error
    }
  }

  private recordPlace = (key: Digest) => join(this.root, 'records', key.slice(0, 2), `${key}.json`)

  async getRecord(key: Digest): Promise<TaskRecord | undefined> {
    const record = (await readDocument(this.recordPlace(parseDigest(key)))) as TaskRecord | undefined
    return record?.version === 1 && record.key === key ? record : undefined
  }

  async putRecord(record: TaskRecord): Promise<void> {
    await writeWhole(this.recordPlace(record.key), JSON.stringify(record, null, 1))
  }

  async *listRecords(): AsyncGenerator<TaskRecord> {
    const root = join(this.root, 'records')
    for (const folder of await readdir(root).catch(() => []))
      for (const name of await readdir(join(root, folder))) {
        const record = name.endsWith('.json')
          ? ((await readDocument(join(root, folder, name))) as TaskRecord)
          : undefined
        if (record?.version === 1) yield record
      }
  }

  async checkpoint(key: Digest): Promise<string> {
    const folder = join(this.root, 'checkpoints', parseDigest(key))
    await guard(() => mkdir(folder, { recursive: true }))
    return folder
  }

  async removeCheckpoint(key: Digest): Promise<void> {
    await rm(join(this.root, 'checkpoints', parseDigest(key)), { recursive: true, force: true })
  }

  /** Folder for files that are being made: on the same file system, so that they can be moved into the store. */
  async scratch(): Promise<string> {
    const folder = join(this.root, 'scratch')
    await guard(() => mkdir(folder, { recursive: true }))
    return folder
  }

  private documentPlace(name: string): string {
    if (!/^[\w-]+(\/[\w.-]+)*$/.test(name) || name.includes('..'))
      throw new Error(`Internal error: document name ${name}`)
    return join(this.root, 'documents', `${name}.json`)
  }

  getDocument(name: string): Promise<unknown> {
    return readDocument(this.documentPlace(name))
  }

  async putDocument(name: string, value: unknown): Promise<void> {
    await writeWhole(this.documentPlace(name), JSON.stringify(value, null, 1))
  }

  async listDocuments(prefix: string): Promise<readonly string[]> {
    const folder = dirname(this.documentPlace(`${prefix}/x`))
    const names = await readdir(folder).catch(() => [])
    return names.filter((name) => name.endsWith('.json')).map((name) => `${prefix}/${name.slice(0, -5)}`)
  }
}

const unique = () => `${process.pid}.${randomBytes(6).toString('hex')}`

/** Changes whenever a file does. */
async function stamp(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true })
  return `${size} ${mtimeNs} ${ino}`
}

/** Turns a full disk into a failure that says so. */
async function guard<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new Failure('OutOfDisk', `The disk is full: ${path ?? 'a file'} cannot be written`, {
        remedy: 'Free some space, or choose another store with --store. What is finished is kept.',
        cause: error,
      })
    throw error
  }
}

/** A file or folder made durable. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await handle.sync().finally(() => handle.close())
}

async function writeWhole(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${unique()}.tmp`
  await guard(async () => {
    await mkdir(dirname(path), { recursive: true })
    try {
      const file = await open(temporary, 'w')
      await file
        .writeFile(data)
        .then(() => file.sync())
        .finally(() => file.close())
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  })
}

async function readDocument(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch (error) {
    // A document that is no JSON counts as absent: what it held is made again.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** sha256 of a file, streamed. */
export async function digestFile(path: string): Promise<Digest> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return parseDigest(hash.digest('hex'))
}
