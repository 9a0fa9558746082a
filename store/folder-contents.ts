import { lstat, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '../errors/failure.js'
import { extent, fileFailure, isAbsent, makeFolder, namesIn, orAbsent } from './files.js'
import { digestInName } from './layout.js'
import type { Leftover, Stored } from './store.js'

/** Lists artifacts or records of a store in a folder. */
export async function* listDigests(root: string, room: string): AsyncIterable<Stored> {
  for (const part of await namesWithin(root, room))
    for (const name of await namesWithin(root, `${room}/${part}`)) {
      const digest = digestInName(name)
      const found = digest && (await orAbsent(lstat(join(root, room, part, name))))
      if (digest && found) yield { digest, bytes: found.size, modified: found.mtimeMs }
    }
}

/**
 * Lists the names in a folder of the store; none if it does not exist.
 * @throws Failure InvalidInput if it is a link: what lies behind one is not the store's, and must not be removed with it
 */
async function namesWithin(root: string, folder: string): Promise<string[]> {
  const path = join(root, folder)
  if ((await orAbsent(lstat(path)))?.isSymbolicLink())
    throw new Failure('InvalidInput', `${path} is a symbolic link, which is not followed: a store is one folder`, {
      file: path,
      remedy: 'To keep the store on another disk, move all of it there and name its new folder with --store.',
    })
  return namesIn(path)
}

const rooms = { scratch: 'temporary', corrupt: 'set-aside', checkpoints: 'checkpoint' } as const

/** Lists the leftovers of unfinished work in a store in a folder.
 *  @param checkpointsHere  absolute path of a folder outside the store with checkpoints of its tasks */
export async function* listLeftovers(root: string, checkpointsHere?: string): AsyncIterable<Leftover> {
  for (const [room, kind] of Object.entries(rooms))
    for (const entry of await namesWithin(root, room)) {
      const name = `${room}/${entry}`
      const key = kind === 'checkpoint' ? digestInName(name) : undefined
      yield { kind, name, ...(key && { key }), ...(await extent(join(root, name))) }
    }
  if (checkpointsHere === undefined) return
  for (const entry of await namesIn(checkpointsHere)) {
    const [name, key] = [join(checkpointsHere, entry), digestInName(entry)]
    yield { kind: 'checkpoint', name, ...(key && { key }), ...(await extent(name)) }
  }
}

/**
 * Removes a file that has not been written or used since `unusedSince`. The file is moved away first and then checked again:
 * if its use was noted in between, it is moved back; a process that looks later does not find it.
 */
export async function removeUnused(path: string, taken: string, unusedSince: number): Promise<boolean> {
  await makeFolder(dirname(taken))
  try {
    if ((await stat(path)).mtimeMs >= unusedSince) return false
    await rename(path, taken)
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
  if ((await stat(taken)).mtimeMs >= unusedSince) {
    await rename(taken, path)
    return false
  }
  await rm(taken)
  return true
}

/** Yields the same items, and converts errors of the file system to failures with a remedy. */
export async function* guarded<T>(items: AsyncIterable<T>, root: string): AsyncIterable<T> {
  try {
    yield* items
  } catch (error) {
    throw fileFailure(error, root)
  }
}
