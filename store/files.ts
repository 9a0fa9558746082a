import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Failure } from '../errors/failure.js'
import { parseDigest, type Digest } from './digest.js'

type SystemError = NodeJS.ErrnoException

/** A name that no other process and no other call makes. */
export const unique = (): string => `${process.pid}.${randomBytes(6).toString('hex')}`

/** The file system, or this user's rights, do not let it be written. */
export const isForbidden = (error: unknown): boolean =>
  ['EROFS', 'EACCES', 'EPERM'].includes((error as SystemError).code ?? '')

export const isAbsent = (error: unknown): boolean => (error as SystemError).code === 'ENOENT'

const full = ['ENOSPC', 'EDQUOT']
const forbidden = ['EROFS', 'EACCES', 'EPERM', 'ENOTDIR']
/** Calls of the system that change nothing. */
const readings = ['access', 'lstat', 'opendir', 'read', 'readlink', 'realpath', 'scandir', 'stat']
/** A mount whose server is away. */
const away = ['EIO', 'ESTALE', 'ENXIO', 'ENODEV', 'ETIMEDOUT', 'EHOSTDOWN', 'ENOTCONN']

/** What a user can act on in place of a system's error about a file of the store; any other error as it is. */
export function fileFailure(error: unknown, root: string): unknown {
  const { code, path, syscall = '' } = error as SystemError
  if (code === undefined || error instanceof Failure) return error
  // What is written is written to a temporary file first.
  const isRead = readings.includes(syscall) || (syscall === 'open' && path?.endsWith('.tmp') === false)
  const done = isRead && code !== 'EROFS' ? 'read' : 'written'
  const other = 'or choose another store with --store'
  if (full.includes(code))
    return new Failure('OutOfDisk', `The disk is full: ${path ?? root} cannot be written`, {
      remedy: `Free some space, ${other}. Finished work is kept.`,
      cause: error,
    })
  if (forbidden.includes(code))
    return new Failure('NoServer', `The store ${root} cannot be ${done} here: ${code} ${path ?? ''}`.trimEnd(), {
      remedy: `Make the folder readable and writable for this user, ${other}.`,
      cause: error,
    })
  if (away.includes(code))
    return new Failure('NoServer', `The store ${root} does not answer: ${code} ${path ?? ''}`.trimEnd(), {
      remedy: `Check that the folder exists and its disk is mounted, ${other}.`,
      cause: error,
    })
  return error
}

/** Makes a folder and those above it. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    // Node reports this for a read-only file system; making a single folder reveals the reason.
    if (!isAbsent(error) || dirname(folder) === folder) throw error
    if (!(await exists(dirname(folder)))) await makeFolder(dirname(folder))
    await mkdir(folder).catch((own: SystemError) => {
      if (own.code !== 'EEXIST') throw own
    })
  }
}

/** A file or folder made durable. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Writes a file that is then moved to its place. */
async function writeDurably(path: string, data: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w')
  await file
    .writeFile(data)
    .then(() => file.sync())
    .finally(() => file.close())
}

/** Writes a file beside its place, and has it put there; what then still lies beside it goes. */
async function writeBeside<T>(
  temporary: string,
  path: string,
  data: Uint8Array | string,
  put: () => Promise<T>,
): Promise<T> {
  await makeFolder(dirname(path))
  await makeFolder(dirname(temporary))
  try {
    await writeDurably(temporary, data)
    return await put()
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Writes a file beside its place and renames it, so that nobody ever sees half of it. */
export const writeWhole = (temporary: string, path: string, data: Uint8Array | string): Promise<void> =>
  writeBeside(temporary, path, data, () => rename(temporary, path))

/** The same unless there is a file already. @returns whether it was written */
export const writeNew = (temporary: string, path: string, data: Uint8Array | string): Promise<boolean> =>
  writeBeside(temporary, path, data, async () => {
    try {
      await link(temporary, path)
    } catch (error) {
      const { code = '' } = error as SystemError
      if (code === 'EEXIST') return false
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error
      // A file system without hard links: of two at the same moment the later wins.
      if (await exists(path)) return false
      await rename(temporary, path)
    }
    return true
  })

/** Moves a finished file to its place, durably, over what may be there; from another file system through a temporary file. */
export async function moveDurably(path: string, temporary: string, target: string): Promise<void> {
  await makeFolder(dirname(target))
  await sync(path)
  try {
    await rename(path, target)
  } catch (error) {
    if ((error as SystemError).code !== 'EXDEV') throw error
    await makeFolder(dirname(temporary))
    try {
      await copyFile(path, temporary)
      await sync(temporary)
      await rename(temporary, target)
    } finally {
      await rm(temporary, { force: true })
    }
    await rm(path)
  }
  await sync(dirname(target))
}

export async function exists(path: string): Promise<boolean> {
  return (await orAbsent(stat(path))) !== undefined
}

/** What an operation on a file gives, undefined when there is no such file. */
export async function orAbsent<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

export const readText = (path: string): Promise<string | undefined> => orAbsent(readFile(path, 'utf8'))

/** Names in a folder; none when there is no such folder. */
export const namesIn = async (folder: string): Promise<string[]> => (await orAbsent(readdir(folder))) ?? []

/** Bytes and newest time of a file, or of all files of a folder. */
export async function extent(path: string): Promise<{ bytes: number; modified: number }> {
  const stats = await orAbsent(stat(path))
  if (!stats) return { bytes: 0, modified: 0 }
  if (!stats.isDirectory()) return { bytes: stats.size, modified: stats.mtimeMs }
  let [bytes, modified] = [0, stats.mtimeMs]
  for (const name of await namesIn(path)) {
    const inner = await extent(join(path, name))
    bytes += inner.bytes
    modified = Math.max(modified, inner.modified)
  }
  return { bytes, modified }
}

/**
 * Sets a file's time to now if it is older than so many milliseconds. Another user's file, whose time may not be set, is
 * replaced by a copy; what may not be written at all stays as it is.
 * @returns whether there is such a file
 */
export async function setTimeAnew(path: string, temporary: string, olderThan: number): Promise<boolean> {
  const now = new Date()
  try {
    if (now.getTime() - (await stat(path)).mtimeMs < olderThan) return true
    await utimes(path, now, now).catch(async (error: unknown) => {
      if (!isForbidden(error)) throw error
      await makeFolder(dirname(temporary))
      await copyFile(path, temporary)
      await sync(temporary)
      await rename(temporary, path)
    })
    return true
  } catch (error) {
    if (isForbidden(error)) return true
    if (isAbsent(error)) return false
    throw error
  }
}

/** Changes whenever a file's content does. */
export async function stampOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true })
  return `${size} ${mtimeNs} ${ino}`
}

/** sha256 of a file, streamed. */
export async function digestFile(path: string): Promise<Digest> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return parseDigest(hash.digest('hex'))
}
