import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the text of a file; undefined if it cannot be read. */
export type Read = (path: string) => string | undefined

/** Reads what the kernel answers at once. */
export const readText: Read = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** A control group that may limit this process, and those above it. */
export interface ControlGroup {
  readonly version: 1 | 2
  /** Their folders, the process's own group first. */
  readonly folders: readonly string[]
}

/** The control groups that a controller may limit this process by: one at most, unless both versions are mounted. */
export function controlGroups(controller: 'cpu' | 'memory', read: Read): ControlGroup[] {
  const mounts = mountsOf(controller, read('/proc/self/mountinfo') ?? '')
  return lines(read('/proc/self/cgroup') ?? '').flatMap((line) => {
    // ID:CONTROLLERS:PATH; of version 2 without controllers.
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const version = controllers === '' ? 2 : 1
    if (version === 1 && !controllers.split(',').includes(controller)) return []
    return mounts
      .filter((mount) => mount.version === version)
      .map(({ root, top }) => ({ version, folders: upwards(join(top, below(path, root)), top) }))
  })
}

/** A folder where groups are mounted, and the group that it shows. */
interface Mount {
  readonly root: string
  readonly top: string
  readonly version: 1 | 2
}

function mountsOf(controller: string, text: string): Mount[] {
  return lines(text).flatMap((line): Mount[] => {
    // ID PARENT DEVICE ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS
    const [own = '', rest = ''] = line.split(' - ')
    const [, , , root, top] = own.split(' ').map(unescaped)
    const [type, , options = ''] = rest.split(' ')
    if (root === undefined || top === undefined) return []
    if (type === 'cgroup2') return [{ root, top, version: 2 }]
    return type === 'cgroup' && options.split(',').includes(controller) ? [{ root, top, version: 1 }] : []
  })
}

/** Decodes spaces and other separators, which are written as octal numbers. */
const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)))

/** A group's path relative to the mounted one. A container may see only its own group mounted, but its path from the host's top. */
function below(path: string, root: string): string {
  if (root === '/') return path.startsWith('/..') ? '/' : path
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '/'
}

/** Lists a folder and its parents, up to `top`. */
function upwards(folder: string, top: string): string[] {
  const folders = [folder]
  for (let at = folder; at.length > top.length && at.startsWith(top);) folders.push((at = join(at, '..')))
  return folders
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
