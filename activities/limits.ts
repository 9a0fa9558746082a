import { statfs } from 'node:fs/promises'
import { ChildFailure } from '../errors/child-failure.js'
import { longestAttempt } from '../workflows/longest-attempt.js'
import type { Limits } from './job.js'
import { residentBytes } from './memory.js'

/** Milliseconds between two looks at memory that is limited, and at what a task may use without a limit of its stage. */
const [pause, longPause] = [250, 1000]

/** Bytes of the store's disk that tasks leave to the server, to checkpoints and to other programs. */
export const spareDisk = 64 * 2 ** 20

/**
 * Watches a task's process.
 * @param exceeded  called once, with the reason why the task must end
 * @returns a function that ends the watch
 */
export function watchLimits(
  pid: number | undefined,
  what: string,
  { seconds = longestAttempt, memory, disk }: Limits,
  exceeded: (why: ChildFailure) => void,
): () => void {
  let over = false
  const tell = (why: ChildFailure) => {
    if (!over) exceeded(why)
    over = true
  }
  const late = () =>
    tell(
      new ChildFailure('Timeout', `${what}: the task took longer than the ${seconds} s that its stage allows`, {
        remedy: 'Raise the stage’s `timeout:`; a task that reports no progress may be in a loop.',
      }),
    )
  const begin = performance.now()
  // A timer can wait 24 days at most; the looks below end what may take longer.
  const clock = seconds * 1000 > 2 ** 31 - 1 ? undefined : setTimeout(late, seconds * 1000)
  const sessions = new Set<number>()
  let looking: NodeJS.Timeout | undefined
  const look = async () => {
    const bytes = memory === undefined ? 0 : await residentBytes(pid!, sessions).catch(() => 0)
    const free = disk === undefined ? Infinity : await freeBytes(disk).catch(() => Infinity)
    if (over) return
    if (memory !== undefined && bytes > memory)
      tell(
        new ChildFailure(
          'OutOfMemory',
          `${what}: the task used ${mebibytes(bytes)} of memory; its stage allows ${mebibytes(memory)}`,
          { remedy: 'Raise the stage’s `memory:`, or make the task use less.', final: true },
        ),
      )
    else if (free < spareDisk)
      tell(
        new ChildFailure('OutOfDisk', `${what}: the disk of ${disk} has less than ${mebibytes(spareDisk)} left`, {
          remedy: 'Free some space, or choose another store with --store. Finished work is kept.',
        }),
      )
    else if (performance.now() - begin > seconds * 1000) late()
    else looking = setTimeout(() => void look(), memory === undefined ? longPause : pause)
  }
  if (pid !== undefined) void look()
  return () => {
    over = true
    clearTimeout(clock)
    clearTimeout(looking)
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`
