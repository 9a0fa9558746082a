import type { JsonObject } from '../api/index.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Digest } from '../store/index.js'

type Digests = Readonly<Record<string, Digest>>

/** Keeps only what the paths name: `pick({ target: { scenario, limits } }, ['target.scenario'])`. Absent parts stay absent. */
export function pick(inputs: JsonObject, reads: readonly string[]): JsonObject {
  const picked: Record<string, unknown> = {}
  for (const path of reads) {
    const parts = path.split('.')
    let from: unknown = inputs
    for (const part of parts)
      from = typeof from === 'object' && from !== null ? (from as Record<string, unknown>)[part] : undefined
    if (from === undefined) continue
    let to = picked
    for (const part of parts.slice(0, -1)) to = to[part] = { ...(to[part] as Record<string, unknown> | undefined) }
    to[parts.at(-1)!] = from
  }
  return picked as JsonObject
}

/** Returns the digests of the files and folders named at or below the paths. */
export const digestsOf = ({ inputDigests }: FrozenPlan, reads: readonly string[]): Digests =>
  Object.fromEntries(
    Object.entries(inputDigests).filter(([name]) =>
      reads.some((path) => name === path || name.startsWith(`${path}.`) || path.startsWith(`${name}.`)),
    ),
  )

/** Replaces every path in a value by its digest, if it has one. */
export function withDigests(value: unknown, at: string, digests: Digests): unknown {
  if (at in digests) return digests[at]
  const below = (key: string | number) => (at === '' ? String(key) : `${at}.${key}`)
  if (Array.isArray(value)) return value.map((item, i) => withDigests(item, below(i), digests))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withDigests(item, below(key), digests)]))
}
