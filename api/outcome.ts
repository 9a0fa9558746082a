import type { Json, JsonObject } from './block.js'

/** What a stage says about the purpose of the whole run: the value `outcome` of its outputs, if it has this form. */
export interface Outcome {
  /** Whether the run achieved its purpose. If not, commands end with a separate exit code. */
  readonly ok: boolean
  /** A word or two for lists of runs: `no child`. Small letters, digits and spaces, at most 30. */
  readonly status: string
  /** A sentence for people. */
  readonly text: string
}

/** Characters of an outcome's sentence: it is shown wherever the run is. */
const longest = 1000

/** Reads the outcome of the whole run from the values of a stage's outputs; undefined if they contain none. */
export function outcomeOf({ outcome }: JsonObject): Outcome | undefined {
  if (typeof outcome !== 'object' || outcome === null || Array.isArray(outcome)) return undefined
  const { ok, status, text } = outcome as Readonly<Record<string, Json | undefined>>
  if (typeof ok !== 'boolean' || typeof status !== 'string' || typeof text !== 'string') return undefined
  if (!/^[a-z0-9][a-z0-9 ]{0,29}$/.test(status)) return undefined
  return { ok, status, text: text.length > longest ? `${text.slice(0, longest - 1)}…` : text }
}
