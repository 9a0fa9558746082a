import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Permissions of everybody but the owner. */
const others = 0o077

/** Creates a folder, if it is not there, that only its owner can enter. One that the user has opened to others stays open. */
export function makePrivateFolder(path: string): void {
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process was faster.
    if (!existsSync(path)) throw error
  }
}

/** Closes a folder of the user's to everybody else. */
export function closeFolder(path: string): void {
  const { mode, uid } = statSync(path)
  if ((mode & others) !== 0 && uid === process.getuid?.()) chmodSync(path, mode & 0o700)
}

/** Calls a function; files that it creates, and those of a process that it starts, can only be read by their owner. */
export function privately<T>(work: () => T): T {
  const before = process.umask(others)
  try {
    return work()
  } finally {
    process.umask(before)
  }
}
