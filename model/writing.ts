import { dirname, resolve, sep } from 'node:path'
import { Failure } from '../api/index.js'
import { entryOf } from '../errors/foreign.js'

/** Reasons why an output cannot be written, by the code of the system's error. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
  ENOENT: 'its folder does not exist',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its symbolic links form a loop',
}

/**
 * Runs work that writes an output, and turns the system's errors into failures that the user can fix.
 *
 * @param place  the output's path, for messages
 * @throws Failure InvalidInput with place and reason; OutOfDisk if there is no space
 */
export async function writing<T>(place: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw unwritable(place, error) ?? error
  }
}

function unwritable(place: string, error: unknown): Failure | undefined {
  const { code = '', path } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new Failure('OutOfDisk', `${place} cannot be written: the disk is full or a quota is reached`, {
      file: place,
      cause: error,
      remedy: 'Free some space, or choose another disk.',
    })
  const reason = entryOf(reasons, code)
  // An error about a path elsewhere does not concern this output.
  const near = dirname(resolve(place))
  if (
    reason === undefined ||
    !(path === undefined || resolve(path) === near || isBelow(resolve(path), near) || isBelow(near, resolve(path)))
  )
    return undefined
  return new Failure('InvalidInput', `${place} cannot be written: ${reason}`, {
    file: place,
    cause: error,
    remedy: 'Choose a folder that you can write to.',
  })
}

const isBelow = (path: string, folder: string): boolean => path.startsWith(folder === sep ? sep : `${folder}${sep}`)
