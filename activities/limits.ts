import { ChildFailure } from '../errors/child-failure.js'
import type { Limits } from './job.js'
import { residentBytes } from './memory.js'

/** Milliseconds between two measurements of memory. */
const pause = 250

/**
 * Watches a task's process.
 * @param exceeded  called once, with the reason why the task must end
 * @returns a function that ends the watch
 */
export function watchLimits(
  pid: number | undefined,
  what: string,
  { seconds, memory }: Limits,
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
  // A timer can wait 24 days at most; a longer limit is as good as none.
  const clock = seconds === undefined || seconds * 1000 > 2 ** 31 - 1 ? undefined : setTimeout(late, seconds * 1000)
  const sessions = new Set<number>()
  let looking: NodeJS.Timeout | undefined
  const look = async () => {
    const bytes = await residentBytes(pid!, sessions).catch(() => 0)
    if (over) return
    if (bytes > memory!)
      tell(
        new ChildFailure(
          'OutOfMemory',
          `${what}: the task used ${mebibytes(bytes)} of memory; its stage allows ${mebibytes(memory!)}`,
          { remedy: 'Raise the stage’s `memory:`, or make the task use less.', final: true },
        ),
      )
    else looking = setTimeout(() => void look(), pause)
  }
  if (pid !== undefined && memory !== undefined) void look()
  return () => {
    over = true
    clearTimeout(clock)
    clearTimeout(looking)
  }
}

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`
