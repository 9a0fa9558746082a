import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Where a run's folder keeps what it held before, by the digest of the spec. */
const earlier = 'earlier'

/**
 * Moves an earlier result of a run out of the way, so that a folder never mixes two: all that lies in it, to
 * `earlier/DIGEST`. An interrupted move goes on the next time, since result.json goes last.
 * @param folder  of the run
 * @param but     digest of a spec whose result may stay. @default none
 * @returns where the result is now; undefined if there was none, or it stayed
 */
export function setAside(folder: string, but?: string): string | undefined {
  const result = join(folder, 'result.json')
  if (!existsSync(result)) return undefined
  const digest = digestIn(result)
  if (but !== undefined && digest === but) return undefined
  const place = join(folder, earlier, digest?.slice(0, 12) ?? 'unknown')
  mkdirSync(place, { recursive: true })
  const names = readdirSync(folder).filter((name) => name !== earlier && name !== 'result.json')
  for (const name of [...names, 'result.json']) {
    rmSync(join(place, name), { recursive: true, force: true })
    renameSync(join(folder, name), join(place, name))
  }
  return place
}

/** The spec's digest that a result names, if it is one. */
function digestIn(file: string): string | undefined {
  try {
    const { specDigest } = JSON.parse(readFileSync(file, 'utf8')) as { specDigest?: unknown }
    return typeof specDigest === 'string' && /^[0-9a-f]{12,}$/.test(specDigest) ? specDigest : undefined
  } catch {
    return undefined
  }
}
