import { join } from 'node:path'
import { controlGroups, readText, type Read } from './control-groups.js'

/** Memory of the machine, or of the control group (a container, a service) that this process is in. */
export interface MemoryLeft {
  readonly total: number
  /** Bytes that can still be had without taking them from a program. */
  readonly available: number
}

/** What is left of the memory where least is; undefined where the system does not tell. Linux only. */
export const memoryLeft = (read: Read = readText): MemoryLeft | undefined =>
  memories(read)?.reduce((least, own) => (own.available < least.available ? own : least))

/** Bytes of memory that this process may use: all of the machine's, or the least limit of its control groups; undefined where the
 *  system does not tell. */
export function usableMemory(read: Read = readText): number | undefined {
  const found = memories(read)
  return found && Math.min(...found.map(({ total }) => total))
}

/** The machine's memory, and that of each control group with a limit of its own. */
function memories(read: Read): MemoryLeft[] | undefined {
  const text = read('/proc/meminfo') ?? ''
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? NaN)
  const machine = { total: kib('MemTotal') * 1024, available: kib('MemAvailable') * 1024 }
  if (!Number.isFinite(machine.total) || !Number.isFinite(machine.available)) return undefined
  const groups = controlGroups('memory', read).flatMap(({ version, folders }) =>
    folders.flatMap((folder) => ofGroup(version === 2 ? v2 : v1, folder, read)),
  )
  // Version 1 writes "no limit" as a number larger than any memory.
  return [machine, ...groups.filter(({ total }) => total <= machine.total)]
}

/** How often the kernel has ended a process because there was no memory, in any control group; undefined where it does not
 *  tell. */
export function outOfMemoryKills(read: Read = readText): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(read('/proc/vmstat') ?? '')?.[1]
  return count === undefined ? undefined : Number(count)
}

/** Files of a control group: limits, what is used, and the fields of `memory.stat` that count pages of files. */
interface Files {
  readonly limits: readonly string[]
  readonly used: string
  readonly pages: RegExp
}

// Above `memory.high` processes are slowed down until they hardly run.
const v2: Files = {
  limits: ['memory.max', 'memory.high'],
  used: 'memory.current',
  pages: /^(?:in)?active_file (\d+)$/gm,
}
const v1: Files = {
  limits: ['memory.limit_in_bytes'],
  used: 'memory.usage_in_bytes',
  pages: /^total_(?:in)?active_file (\d+)$/gm,
}

/** The same of a group with a limit of its own. Pages of files count as available: the kernel takes them back. */
function ofGroup({ limits, used, pages }: Files, folder: string, read: Read): MemoryLeft[] {
  // NaN for `max`, and where there is no such file.
  const known = limits.map((name) => parseInt(read(join(folder, name)) ?? '', 10)).filter((bytes) => bytes > 0)
  if (known.length === 0) return []
  const total = Math.min(...known)
  const files = [...(read(join(folder, 'memory.stat')) ?? '').matchAll(pages)]
  const cached = files.reduce((n, [, bytes]) => n + Number(bytes), 0)
  return [{ total, available: total - Number(read(join(folder, used)) ?? 0) + cached }]
}
