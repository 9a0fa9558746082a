import { ChildFailure } from '../errors/child-failure.js'
import { residentBytes } from './memory.js'
import { memoryLeft, type MemoryLeft } from './memory-left.js'

/** Milliseconds between two looks. */
const pause = 1000

/** What is kept free: this share of the memory, but no more than so many bytes. */
const [spareShare, mostSpare] = [0.05, 2 ** 30]

/** A task with less than this share of the memory is not to blame for the rest. */
const largeShare = 0.1

interface Guarded {
  readonly what: string
  readonly sessions: Set<number>
  readonly end: (why: ChildFailure) => void
}

/**
 * Ends the task that holds the most before the memory is full: the kernel would kill any process then, the server included.
 * Another attempt may find more.
 */
export class MemoryGuard {
  private readonly tasks = new Map<number, Guarded>()
  private clock: NodeJS.Timeout | undefined

  /** @param left, held  for tests: the memory, and what a process and those below it hold */
  constructor(
    private readonly left: () => Promise<MemoryLeft | undefined> = memoryLeft,
    private readonly held: (pid: number, sessions: Set<number>) => Promise<number> = residentBytes,
  ) {}

  /** Guards a task. @returns a function that ends the guard */
  add(pid: number, what: string, end: (why: ChildFailure) => void): () => void {
    this.tasks.set(pid, { what, sessions: new Set(), end })
    this.clock ??= setInterval(() => void this.look(), pause)
    return () => {
      this.tasks.delete(pid)
      if (this.tasks.size > 0) return
      clearInterval(this.clock)
      this.clock = undefined
    }
  }

  /** Looks once, as it does every second. */
  async look(): Promise<void> {
    const left = await this.left().catch(() => undefined)
    if (!left || left.available >= Math.min(spareShare * left.total, mostSpare)) return
    let [most, largest]: [number, Guarded | undefined] = [largeShare * left.total, undefined]
    for (const [pid, task] of this.tasks) {
      const bytes = await this.held(pid, task.sessions).catch(() => 0)
      if (bytes > most) [most, largest] = [bytes, task]
    }
    largest?.end(
      new ChildFailure(
        'OutOfMemory',
        `${largest.what}: this machine has ${gibibytes(left.available)} of memory left, and the task holds ${gibibytes(most)}, more than any other`,
        {
          remedy:
            'Close other programs, run fewer tasks side by side (`npx puzzleflow worker --slots N`), or use a larger machine; `memory:` of a stage sets a bound of its own.',
        },
      ),
    )
  }
}

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
