import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { workerRooms } from '../../activities/build-id.js'
import { packageRoot } from '../../store/paths.js'

/** Folders at the top that the files of one import from. */
function importedBy(room: string): string[] {
  const folder = join(packageRoot(), room)
  const files = (readdirSync(folder, { recursive: true }) as string[]).filter((path) => path.endsWith('.ts'))
  return files.flatMap((path) => {
    const text = readFileSync(join(folder, path), 'utf8')
    return [...text.matchAll(/(?:from|import\()\s*'((?:\.\.?\/)+[^']+)'/g)].map(
      ([, from]) => join(room, path, '..', from!).split('/')[0]!,
    )
  })
}

test('the build id covers every room whose code a worker runs', () => {
  const reached = new Set(['activities'])
  // A set visits what is added while it is walked through.
  for (const room of reached) for (const other of importedBy(room)) reached.add(other)
  expect([...workerRooms].sort()).toEqual([...reached].sort())
})
