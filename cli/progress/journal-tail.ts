import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { Entry } from '../../activities/journal.js'

/** Milliseconds from one look at the file to the next. */
const pace = 500
/** Most bytes to read at once. */
const most = 1 << 20

/** Tells what is appended to a log of JSON lines from now on, also after the log was put aside. @returns what ends it */
export function tailOf(file: string, tell: (entry: Entry) => void): () => void {
  let [at, rest] = [sizeOf(file), Buffer.alloc(0)]
  const look = () => {
    const [from, added] = appended(file, at)
    if (from !== at) rest = Buffer.alloc(0)
    at = from + added.length
    rest = Buffer.concat([rest, added])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const entry = entryOf(rest.subarray(0, end).toString())
      rest = rest.subarray(end + 1)
      if (entry) tell(entry)
    }
  }
  const timer = setInterval(look, pace)
  return () => {
    clearInterval(timer)
    look()
  }
}

function sizeOf(file: string): number {
  return withFile(file, (descriptor) => fstatSync(descriptor).size) ?? 0
}

/** What a file has from a place on: from its beginning, where it was begun anew. */
function appended(file: string, at: number): [from: number, added: Buffer] {
  return (
    withFile(file, (descriptor): [number, Buffer] => {
      const { size } = fstatSync(descriptor)
      const from = size < at ? 0 : at
      const bytes = Buffer.alloc(Math.min(size - from, most))
      return [from, bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, from))]
    }) ?? [at, Buffer.alloc(0)]
  )
}

/** Does something with a file that may not be there. */
function withFile<T>(file: string, work: (descriptor: number) => T): T | undefined {
  try {
    const descriptor = openSync(file, 'r')
    try {
      return work(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // There is none yet, or it has just been put aside.
    return undefined
  }
}

function entryOf(line: string): Entry | undefined {
  try {
    // Who reads along knows the time.
    const entry = { ...(JSON.parse(line) as Entry), time: undefined }
    return typeof entry.event === 'string' ? entry : undefined
  } catch {
    return undefined
  }
}
