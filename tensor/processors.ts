import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

/** Sources of information on this process; tests provide their own. */
export interface ProcessorSources {
  /** Processors on which this process may be scheduled. */
  readonly affinity: () => number
  /** The text of a file; undefined if it cannot be read. */
  readonly read: (path: string) => string | undefined
}

const system: ProcessorSources = {
  // Node's own count respects the affinity (taskset, a container's cpuset), but quotas only since Node 22.
  affinity: availableParallelism,
  read(path) {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  },
}

/**
 * Counts the processors that this process may use: those it may be scheduled on, or fewer if a control group (a container) has
 * a quota of processor time. A quota of 2.5 counts as 2: a third thread would be throttled, which would distort measurements.
 */
export function processors({ affinity, read }: ProcessorSources = system): number {
  const quotas = groupsOf(read).flatMap(({ folder, top, version }) =>
    upwards(folder, top).flatMap((place) => (version === 2 ? quotaOfV2 : quotaOfV1)(place, read)),
  )
  return Math.max(1, Math.floor(Math.min(affinity(), ...quotas)))
}

type Read = ProcessorSources['read']

/** A control group that may limit this process's processor time: its folder, and that of the highest visible group. */
interface Group {
  readonly folder: string
  readonly top: string
  readonly version: 1 | 2
}

function groupsOf(read: Read): Group[] {
  const mounts = mountsOf(read('/proc/self/mountinfo') ?? '')
  return lines(read('/proc/self/cgroup') ?? '').flatMap((line) => {
    // ID:CONTROLLERS:PATH; of version 2 without controllers.
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const version = controllers === '' ? 2 : 1
    if (version === 1 && !controllers.split(',').includes('cpu')) return []
    return mounts
      .filter((mount) => mount.version === version)
      .map(({ root, top }) => ({ folder: join(top, below(path, root)), top, version }))
  })
}

/** A folder where groups are mounted, and the group that it shows. */
interface Mount extends Pick<Group, 'top' | 'version'> {
  readonly root: string
}

function mountsOf(text: string): Mount[] {
  return lines(text).flatMap((line): Mount[] => {
    // ID PARENT DEVICE ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS
    const [own = '', rest = ''] = line.split(' - ')
    const [, , , root, top] = own.split(' ').map(unescaped)
    const [type, , options = ''] = rest.split(' ')
    if (root === undefined || top === undefined) return []
    if (type === 'cgroup2') return [{ root, top, version: 2 }]
    return type === 'cgroup' && options.split(',').includes('cpu') ? [{ root, top, version: 1 }] : []
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

/** `cpu.max` is QUOTA PERIOD, in microseconds, or `max PERIOD`. */
function quotaOfV2(folder: string, read: Read): number[] {
  const [quota, period] = (read(join(folder, 'cpu.max')) ?? '').trim().split(' ').map(Number)
  return share(quota, period)
}

/** A quota of -1 means that there is none. */
function quotaOfV1(folder: string, read: Read): number[] {
  return share(Number(read(join(folder, 'cpu.cfs_quota_us'))), Number(read(join(folder, 'cpu.cfs_period_us'))))
}

const share = (quota = NaN, period = NaN): number[] => (quota > 0 && period > 0 ? [quota / period] : [])

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
