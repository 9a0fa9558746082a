import { createHash, randomBytes } from 'node:crypto'
import { statSync, type BigIntStats } from 'node:fs'
import { copyFile, link, lstat, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '../errors/failure.js'
import { parseDigest, type Digest } from './digest.js'

type SystemError = NodeJS.ErrnoException

/** Creates a name that no other process and no other call creates. */
export const unique = (): string => `${process.pid}.${randomBytes(6).toString('hex')}`

/** Whether the file system, or this user's rights, forbid writing. */
export const isForbidden = (error: unknown): boolean =>
  ['EROFS', 'EACCES', 'EPERM'].includes((error as SystemError).code ?? '')

export const isAbsent = (error: unknown): boolean => (error as SystemError).code === 'ENOENT'

const full = ['ENOSPC', 'EDQUOT']
const forbidden = ['EROFS', 'EACCES', 'EPERM', 'ENOTDIR']
/** System calls that change nothing. */
const readings = ['access', 'lstat', 'opendir', 'read', 'readlink', 'realpath', 'scandir', 'stat']
/** Errors of a mount whose server cannot be reached. */
const away = ['EIO', 'ESTALE', 'ENXIO', 'ENODEV', 'ETIMEDOUT', 'EHOSTDOWN', 'ENOTCONN']

/** Converts a system error about a file of the store to a failure with a remedy. Other errors stay as they are. */
export function fileFailure(error: unknown, root: string): unknown {
  const { code, path, syscall = '' } = error as SystemError
  if (code === undefined || error instanceof Failure) return error
  // Only temporary files are opened for writing.
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

/** Creates a folder and its parents. */
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

/** Flushes a file or folder to disk. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Writes a temporary file, flushed to disk, that can be moved to its place. */
async function writeDurably(path: string, data: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w')
  await file
    .writeFile(data)
    .then(() => file.sync())
    .finally(() => file.close())
}

/** Writes a temporary file and moves it to its place with `put`; it is removed if it is still there afterwards. */
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

/** Writes a temporary file and renames it, so that nobody ever sees an incomplete file. */
export const writeWhole = (temporary: string, path: string, data: Uint8Array | string): Promise<void> =>
  writeBeside(temporary, path, data, () => rename(temporary, path))

/** The same, unless the file already exists. @returns whether it was written */
export const writeNew = (temporary: string, path: string, data: Uint8Array | string): Promise<boolean> =>
  writeBeside(temporary, path, data, async () => {
    try {
      await link(temporary, path)
    } catch (error) {
      const { code = '' } = error as SystemError
      if (code === 'EEXIST') return false
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error
      // A file system without hard links: of two simultaneous writers, the later wins.
      if (await exists(path)) return false
      await rename(temporary, path)
    }
    return true
  })

/** Moves a finished file to its place, durably, replacing what is there. A file from another file system is copied to a temporary
 *  file first. */
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

/** Returns the result of an operation on a file; undefined if the file does not exist. */
export async function orAbsent<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** Reads a small text file; undefined if there is none. What is not a file may have no end, and counts as absent. */
export const readText = (path: string): Promise<string | undefined> =>
  orAbsent(stat(path).then((found) => (found.isFile() ? readFile(path, 'utf8') : undefined)))

/** Lists the names in a folder; none if it does not exist. */
export const namesIn = async (folder: string): Promise<string[]> => (await orAbsent(readdir(folder))) ?? []

/** Returns the size and the latest modification time of a file, or of all files in a folder. Links are not followed. */
export async function extent(path: string): Promise<{ bytes: number; modified: number }> {
  const stats = await orAbsent(lstat(path))
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
 * Sets a file's time to now if it is older than `olderThan` milliseconds. Another user's file, whose time cannot be set, is
 * replaced by a copy. A file that cannot be written at all stays as it is.
 * @returns whether the file exists
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

/** Returns a stamp that changes whenever a file's contents change, even if its time is set back afterwards. Links and other times
 *  change it too. */
export const stampOf = async (path: string): Promise<string> => stampFrom(await stat(path, { bigint: true }))

/** The same at once, of a folder too, whose stamp changes with the names in it; undefined where there is nothing. */
export function stampNow(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats && stampFrom(stats)
}

const stampFrom = ({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string => `${size} ${mtimeNs} ${ctimeNs} ${ino}`

/** Bytes that are read at once. */
const readAtOnce = 2 ** 18

/** Computes the SHA-256 of a file, through one buffer: as a stream, a large one took twice as long. */
export async function digestFile(path: string): Promise<Digest> {
  const hash = createHash('sha256')
  const file = await open(path)
  try {
    const buffer = Buffer.allocUnsafeSlow(readAtOnce)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, readAtOnce)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return parseDigest(hash.digest('hex'))
}
