import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Rooms whose code decides what a worker does: `activities` and all that it imports. */
export const workerRooms: readonly string[] = [
  ...['activities', 'api', 'data', 'errors', 'files', 'lineage', 'model', 'plugins', 'puzzle', 'report'],
  ...['schemas', 'solver', 'spec', 'store', 'tensor', 'workflows'],
]

let known: string | undefined

/**
 * Digest of the code that a worker runs. Task queues carry it: a worker never gets tasks of a search that another version
 * of puzzleflow began, and replays no history but its own.
 */
export function buildId(): string {
  if (known === undefined) {
    const root = fileURLToPath(new URL('..', import.meta.url))
    const hash = createHash('sha256')
    for (const room of workerRooms)
      for (const path of (readdirSync(join(root, room), { recursive: true }) as string[]).sort())
        if (/(?<!\.d)\.(js|ts)$/.test(path))
          hash.update(`${room}/${path}\n`).update(readFileSync(join(root, room, path)))
    known = hash.digest('hex').slice(0, 8)
  }
  return known
}
