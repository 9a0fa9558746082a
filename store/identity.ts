import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../errors/failure.js'
import { digestJson } from './digest.js'
import { fileFailure, isAbsent, isForbidden, unique } from './files.js'
import { identityName } from './layout.js'
import { makePrivateFolder } from './private-files.js'

/** The contents of `store.json`. */
export interface Identity {
  readonly version: 1
  readonly id: string
  /** Place of the store when it got this id, or when a move was last noticed. Absent for stores in S3. */
  readonly place?: { readonly host: string; readonly path: string }
}

export const newId = (): string => randomBytes(6).toString('hex')

/** Reads `store.json`. @throws Failure NoServer if the text is not an identity */
export function parseIdentity(text: string, place: string): Identity {
  try {
    const identity = JSON.parse(text) as Identity
    if (identity.version === 1 && /^[0-9a-f]{12}$/.test(identity.id)) return identity
  } catch {
    // The failure below reports it.
  }
  throw new Failure('NoServer', `${place} does not say which store this is`, {
    remedy:
      'Restore it from a copy of the store. Without it, the store gets a new identity, and runs in progress start again.',
  })
}

/**
 * Returns the id of the store in a folder, from its file `store.json`. The file is written once: several processes that open a
 * new store at the same time all get the same id. A store that is moved, or mounted elsewhere, keeps its id. A copy that is
 * used on the same machine as its original gets a new one, because workers of one must not take the other's tasks.
 */
export function identityOf(root: string): string {
  try {
    const found = read(root) ?? create(root)
    const here = placeOf(root)
    if (!found.place || found.place.host !== here.host || found.place.path === here.path) return found.id
    const there = tryRead(found.place.path)
    if (there?.id !== found.id) note(root, { ...found, place: here })
    else if (!isSame(root, found.place.path)) return copied(root, found)
    return found.id
  } catch (error) {
    // Node reports ENOENT if it cannot create a folder on a read-only disk.
    if (!isForbidden(error) && !isAbsent(error)) throw fileFailure(error, root)
    // A read-only store that was never opened for writing: its id does not matter.
    return digestJson(root).slice(0, 12)
  }
}

const placeOf = (root: string) => ({ host: hostname(), path: realpathSync(root) })

function read(root: string): Identity | undefined {
  const file = join(root, identityName)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  return parseIdentity(text, file)
}

/** Reads the identity at another place; undefined if it cannot be read. */
function tryRead(root: string): Identity | undefined {
  try {
    return read(root)
  } catch {
    return undefined
  }
}

/** Whether two paths lead to the same store, for instance through different mounts. */
function isSame(one: string, two: string): boolean {
  const [a, b] = [one, two].map((root) => statSync(join(root, identityName), { bigint: true }))
  return a!.ino === b!.ino && a!.dev === b!.dev
}

function create(root: string): Identity {
  makePrivateFolder(root)
  const file = join(root, identityName)
  const temporary = write(root, { version: 1, id: newId(), place: placeOf(root) })
  try {
    linkSync(temporary, file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Without hard links the file is complete, too, but of two simultaneous writers the later wins.
    if (code !== 'EEXIST' && tryRead(root) === undefined) renameSync(temporary, file)
  } finally {
    rmSync(temporary, { force: true })
  }
  return read(root)!
}

/** Derives the identity of a copy, so that all processes that notice the copy get the same one. */
function copied(root: string, original: Identity): string {
  const place = placeOf(root)
  const id = digestJson({ original: original.id, place, folder: String(statSync(root).ino) }).slice(0, 12)
  note(root, { version: 1, id, place })
  return id
}

function note(root: string, identity: Identity): void {
  try {
    renameSync(write(root, identity), join(root, identityName))
  } catch (error) {
    // A read-only store stays as it is.
    if (!isForbidden(error)) throw error
  }
}

function write(root: string, identity: Identity): string {
  const temporary = join(root, `${identityName}.${unique()}.tmp`)
  writeFileSync(temporary, JSON.stringify(identity, null, 1))
  return temporary
}
