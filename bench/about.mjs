// What every page of figures says about where they are from.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { processors } from '../dist/tensor/processors.js'

/** Short hash of the commit, and whether sources differ from it (pages that are written by commands do not count). */
export function commit() {
  const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs', ':!bench/results.md') !== ''
  return `${git('rev-parse', '--short', 'HEAD')}${changed ? ', with changes' : ''}`
}

/** Processor, cores that this process may use, platform and version of Node. */
export const machine = () =>
  `${cpus()[0]?.model ?? 'unknown processor'}, ${processors()} cores, ${process.platform}-${process.arch}, Node ${process.versions.node}`

/** Today, in UTC: 2026-01-31. */
export const today = () => new Date().toISOString().slice(0, 10)
