import { appendFileSync, openSync, renameSync, statSync } from 'node:fs'

/** A log of more bytes is put aside as `NAME.1`, in the place of the one before it. */
export const largestLog = 64 * 2 ** 20

/** Appends a line. The file is opened anew for each: it may be moved away or removed at any time. */
export function appendToLog(file: string, line: string, most = largestLog): void {
  putAside(file, most)
  appendFileSync(file, `${line}\n`)
}

/** Opens a log for a process that writes to it as long as it lives. @returns a file descriptor */
export function openLog(file: string, mode?: number): number {
  putAside(file, largestLog)
  return openSync(file, 'a', mode)
}

function putAside(file: string, most: number): void {
  try {
    if (statSync(file).size > most) renameSync(file, `${file}.1`)
  } catch {
    // There is none yet, or another process has just put it aside.
  }
}
