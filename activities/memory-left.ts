import { readFile } from 'node:fs/promises'

/** Memory of the machine, or of the container that this process is in. */
export interface MemoryLeft {
  readonly total: number
  /** Bytes that can still be had without taking them from a program. */
  readonly available: number
}

const control = '/sys/fs/cgroup'

/** What is left of the memory; undefined where the system does not tell. Linux only. */
export async function memoryLeft(): Promise<MemoryLeft | undefined> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? NaN)
  const machine = { total: kib('MemTotal') * 1024, available: kib('MemAvailable') * 1024 }
  if (!Number.isFinite(machine.total) || !Number.isFinite(machine.available)) return undefined
  const container = await ofContainer()
  return container && container.available < machine.available ? container : machine
}

/** The same of a container with a limit of its own. Pages of files count as available: the kernel takes them back. */
async function ofContainer(): Promise<MemoryLeft | undefined> {
  try {
    const [most, used, statistics] = await Promise.all(
      ['memory.max', 'memory.current', 'memory.stat'].map((name) => readFile(`${control}/${name}`, 'utf8')),
    )
    const total = Number(most) // NaN for `max`
    const pages = [...statistics!.matchAll(/^(?:in)?active_file (\d+)$/gm)].reduce(
      (n, [, bytes]) => n + Number(bytes),
      0,
    )
    return total > 0 ? { total, available: total - Number(used) + pages } : undefined
  } catch {
    return undefined
  }
}
