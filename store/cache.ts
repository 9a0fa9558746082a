import { rmSync } from 'node:fs'
import { link, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Digest } from './digest.js'
import { digestFile, fileFailure, isAbsent, makeFolder, moveDurably, namesIn, orAbsent, unique } from './files.js'

/** Folders of the paths that this process has handed out. They are removed when it ends. */
const handedOut = new Set<string>()
process.on('exit', () => {
  for (const folder of handedOut) rmSync(folder, { recursive: true, force: true })
})

/**
 * Keeps artifacts of a remote store in a local folder, up to a number of bytes; the least recently used are removed first.
 * Processes share the folder. A path that is handed out is a second hard link to the file, in a folder of the process: a file
 * with two links is in use and stays.
 */
export class Cache {
  /** Artifacts that this process has verified, with the state of their files at that time. */
  private readonly verified = new Map<Digest, string>()
  private readonly pending = new Map<Digest, Promise<string>>()
  private readonly own: string
  /** Bytes in the cache when they were last counted; undefined before that. */
  private counted: number | undefined
  /** Bytes that this process has written since. */
  private written = 0

  constructor(
    readonly root: string,
    readonly maxBytes: number,
  ) {
    this.own = join(root, 'open', `${hostname()},${unique()}`)
  }

  private place = (digest: Digest) => join(this.root, 'files', digest)
  /** Folder for files in progress; it may not exist yet. */
  get scratchFolder(): string {
    return join(this.root, 'scratch')
  }
  temporary = () => join(this.scratchFolder, `${unique()}.tmp`)

  async scratch(): Promise<string> {
    await this.guard(() => makeFolder(this.scratchFolder))
    return this.scratchFolder
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw fileFailure(error, this.root)
    }
  }

  /** Returns the path of an artifact in the cache. If it is missing, `fetch` writes it to the path that it receives. */
  async open(digest: Digest, bytes: number, fetch: (path: string) => Promise<void>): Promise<string> {
    const going = this.pending.get(digest)
    if (going) return going
    const work = this.guard(async () => (await this.find(digest)) ?? (await this.fill(digest, bytes, fetch)))
    this.pending.set(digest, work)
    try {
      return await work
    } finally {
      this.pending.delete(digest)
    }
  }

  /** Moves a finished file, whose digest is known to be right, into the cache. */
  async adopt(digest: Digest, bytes: number, path: string): Promise<void> {
    await this.guard(async () => {
      await this.makeRoom(bytes)
      await moveDurably(path, this.temporary(), this.place(digest))
      this.written += bytes
      this.verified.set(digest, await contentStampOf(this.place(digest)))
    })
  }

  /** Releases the paths handed out so far, which must not be read afterwards. */
  async release(): Promise<void> {
    handedOut.delete(this.own)
    await this.guard(() => rm(this.own, { recursive: true, force: true }))
  }

  private async find(digest: Digest): Promise<string | undefined> {
    const place = this.place(digest)
    try {
      const stamp = await contentStampOf(place)
      if (this.verified.get(digest) !== stamp && (await digestFile(place)) !== digest) {
        await rm(place, { force: true })
        return undefined
      }
      this.verified.set(digest, stamp)
      // The access time determines which files are removed first. The modification time stays, as part of the stamp.
      await utimes(place, new Date(), (await stat(place)).mtime)
      return await this.handOut(digest)
    } catch (error) {
      // Another process may have removed it to make room.
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  private async fill(digest: Digest, bytes: number, fetch: (path: string) => Promise<void>): Promise<string> {
    const temporary = this.temporary()
    await makeFolder(dirname(temporary))
    await this.makeRoom(bytes)
    try {
      await fetch(temporary).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error
        // The disk is smaller than the limit: removes everything that is not in use.
        await rm(temporary, { force: true })
        await this.makeRoom(Infinity)
        await fetch(temporary)
      })
      await makeFolder(dirname(this.place(digest)))
      await rename(temporary, this.place(digest))
    } finally {
      await rm(temporary, { force: true })
    }
    this.written += bytes
    this.verified.set(digest, await contentStampOf(this.place(digest)))
    return this.handOut(digest)
  }

  private async handOut(digest: Digest): Promise<string> {
    const path = join(this.own, digest)
    handedOut.add(this.own)
    await makeFolder(this.own)
    try {
      await link(this.place(digest), path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return path
      // A file system without hard links: returns the file itself, which others may remove to make room.
      if (code === 'EPERM' || code === 'ENOTSUP' || code === 'ENOSYS') return this.place(digest)
      throw error
    }
    return path
  }

  /** Removes unused files, the least recently used first, until this many more bytes fit. */
  private async makeRoom(bytes: number): Promise<void> {
    const isKnown = this.counted !== undefined && this.written < this.maxBytes / 100
    if (isKnown && this.counted! + this.written + bytes <= this.maxBytes) return
    await this.forgetDead()
    const files = []
    for (const name of await namesIn(join(this.root, 'files'))) {
      const path = join(this.root, 'files', name)
      const stats = await orAbsent(stat(path))
      if (stats) files.push({ path, bytes: stats.size, used: stats.atimeMs, isInUse: stats.nlink > 1 })
    }
    let total = files.reduce((sum, file) => sum + file.bytes, 0)
    for (const file of files.sort((a, b) => a.used - b.used)) {
      if (total + bytes <= this.maxBytes) break
      if (file.isInUse) continue
      await rm(file.path, { force: true })
      total -= file.bytes
    }
    this.counted = total
    this.written = 0
  }

  /** Releases files that killed processes of this machine held. */
  private async forgetDead(): Promise<void> {
    for (const name of await namesIn(join(this.root, 'open'))) {
      const [host, rest = ''] = name.split(',')
      if (host === hostname() && !isAlive(Number(rest.split('.')[0])))
        await rm(join(this.root, 'open', name), { recursive: true, force: true })
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Returns a stamp that changes whenever a file's contents change. Unlike `stampOf`, it stays when the cache links the file and sets
 *  its time of access. Only this user can write to the cache. */
async function contentStampOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true })
  return `${size} ${mtimeNs} ${ino}`
}
