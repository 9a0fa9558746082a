import { dirname } from 'node:path'
import type { Diagnostic } from './diagnostics.js'
import type { SourceMap } from './source-map.js'

/** A mistake without its place. */
export interface Problem {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
}

/** Where a piece of data comes from: turns pointers into it into places of a file. */
export interface Site {
  diagnose(at: string, where: 'key' | 'value', problem: Problem): Diagnostic
  /** Folder that relative paths written there start from. */
  folder(at: string): string
  has(at: string): boolean
}

/** A value of one file: its pointers continue `base`. */
export function siteOf(map: SourceMap, base = ''): Site {
  return {
    diagnose: (at, where, problem) => map.diagnose(base + at, where, problem),
    folder: () => dirname(map.file),
    has: (at) => map.has(base + at),
  }
}

/** Maps laid one over the other: a value's place is in the first that has it, a missing one's in the first of all. */
export function mergedSite(first: Site, ...rest: readonly Site[]): Site {
  const pick = (at: string) => [first, ...rest].find((site) => site.has(at)) ?? first
  return {
    diagnose: (at, where, problem) => pick(at).diagnose(at, where, problem),
    folder: (at) => pick(at).folder(at),
    has: (at) => pick(at).has(at),
  }
}
