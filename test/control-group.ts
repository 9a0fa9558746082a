import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const top = '/sys/fs/cgroup'

/** Where control groups may be, and the file with a limit: of version 2, and of version 1. */
const places = {
  memory: [
    { top, limit: 'memory.max' },
    { top: `${top}/memory`, limit: 'memory.limit_in_bytes' },
  ],
  cpu: [
    { top, limit: 'cpu.max' },
    { top: `${top}/cpu`, limit: 'cpu.cfs_quota_us' },
  ],
} as const

/**
 * Makes a control group with a limit.
 * @param limit  bytes, or microseconds of processor time in a tenth of a second
 * @returns its folder; undefined if this user or machine cannot have one
 */
export function controlGroup(controller: 'cpu' | 'memory', name: string, limit: number): string | undefined {
  for (const place of places[controller]) {
    const folder = join(place.top, `puzzleflow-test-${name}-${process.pid}`)
    try {
      const control = join(place.top, 'cgroup.subtree_control')
      if (existsSync(control) && !readFileSync(control, 'utf8').includes(controller)) continue
      mkdirSync(folder)
      if (existsSync(join(folder, place.limit))) {
        writeFileSync(join(folder, place.limit), String(limit))
        return folder
      }
      rmdirSync(folder)
    } catch {
      // The next place, if there is one.
    }
  }
  return undefined
}

/** Removes one whose processes have ended. */
export const removeGroup = (folder: string): void => rmdirSync(folder)
