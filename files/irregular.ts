import { statSync, type Stats } from 'node:fs'
import { Failure } from '../errors/failure.js'

/**
 * Refuses what is not a file, such as a named pipe or a device: reading one may never end. A link counts as what it leads to.
 * Accepts what does not exist or may not be read: its reader reports that.
 * @throws Failure InvalidInput
 */
export function refuseIrregular(path: string): void {
  const stats = statsOf(path)
  if (!stats || stats.isFile()) return
  throw new Failure('InvalidInput', `${path} is ${kindOf(stats)}, not a file`, {
    file: path,
    remedy: 'Copy the file from its source again.',
  })
}

/**
 * Refuses a file that is larger than any of its kind: it would be held in memory, several times over.
 * @throws Failure InvalidInput
 */
export function refuseLarge(path: string, mostBytes: number): void {
  const stats = statsOf(path)
  if (!stats || stats.size <= mostBytes) return
  throw new Failure('InvalidInput', `${path} has ${stats.size} bytes; at most ${mostBytes} are read`, {
    file: path,
    remedy: 'Copy the file from its source again.',
  })
}

/** Undefined where there is nothing, or nothing that may be looked at. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a named pipe'
  return stats.isSocket() ? 'a socket' : 'a device'
}
