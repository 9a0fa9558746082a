import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const places = [
  // Of version 2, where groups below the top may have limits on memory.
  { top: '/sys/fs/cgroup', limit: 'memory.max', asks: ['cgroup.subtree_control', 'memory'] },
  { top: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
] as const

/** Makes a control group with a limit on memory. @returns its folder; undefined if this user or machine cannot have one */
export function memoryGroup(name: string, bytes: number): string | undefined {
  for (const { top, limit, ...own } of places) {
    const folder = join(top, `puzzleflow-test-${name}-${process.pid}`)
    try {
      if ('asks' in own && !readFileSync(join(top, own.asks[0]), 'utf8').includes(own.asks[1])) continue
      mkdirSync(folder)
      if (existsSync(join(folder, limit))) {
        writeFileSync(join(folder, limit), String(bytes))
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
