import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { controlGroups, readText, type Read } from './control-groups.js'

/** Sources of information on this process; tests provide their own. */
export interface ProcessorSources {
  /** Processors on which this process may be scheduled. */
  readonly affinity: () => number
  readonly read: Read
}

const system: ProcessorSources = {
  // Node's own count respects the affinity (taskset, a container's cpuset), but quotas only since Node 22.
  affinity: availableParallelism,
  read: readText,
}

/**
 * Counts the processors that this process may use: those it may be scheduled on, or fewer if a control group (a container) has
 * a quota of processor time. A quota of 2.5 counts as 2: a third thread would be throttled, which would distort measurements.
 */
export function processors({ affinity, read }: ProcessorSources = system): number {
  const quotas = controlGroups('cpu', read).flatMap(({ version, folders }) =>
    folders.flatMap((folder) => (version === 2 ? quotaOfV2 : quotaOfV1)(folder, read)),
  )
  return Math.max(1, Math.floor(Math.min(affinity(), ...quotas)))
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
