import { setTimeout } from 'node:timers/promises'
import { ChildFailure } from '../errors/child-failure.js'
import { memoryLeft, type MemoryLeft } from '../tensor/memory-left.js'
import { residentBytes } from './memory.js'

/** Milliseconds between two looks: a task can fill some hundred MiB meanwhile. */
const between = 200

/** What is kept free: this share of the memory, but no more than so many bytes. */
const [spareShare, mostSpare] = [0.05, 2 ** 30]

/** A task with less than this share of the memory is not to blame for the rest. */
const largeShare = 0.1

/** Milliseconds that a task waits for memory that other programs hold: they may keep it for ever. */
const patience = 5 * 60_000

/** A task that this worker does, or is about to begin. */
interface Guarded {
  readonly what: string
  /** Bytes that it was said to hold at most; 0: nothing was said. */
  readonly need: number
  readonly sessions: Set<number>
  /** Absent until it has a process. */
  process?: { readonly pid: number; readonly end: (why: ChildFailure) => void }
}

/** A place in memory for a task. */
export interface Admitted {
  /** It has a process from now on. @param end  is called when that must end */
  begin(pid: number, end: (why: ChildFailure) => void): void
  /** @param done  whether the task has its result */
  release(done: boolean): void
}

/** What a guard sees and does, and how long it waits; tests provide their own. */
export interface MemoryView {
  readonly left: () => MemoryLeft | undefined
  /** Bytes that a process and those below it hold. */
  readonly held: (pid: number, sessions: Set<number>) => Promise<number>
  /** Milliseconds. */
  readonly patience: number
  readonly pause: (milliseconds: number) => Promise<unknown>
  /** Gives back memory that no task needs. @returns whether there was any */
  readonly relieve: () => boolean
}

/**
 * Begins tasks that need much memory when there is room for them, and ends the one that holds the most before the memory is
 * full: the kernel would swap, and then kill any process, the server included. Another attempt may find more.
 */
export class MemoryGuard {
  private readonly tasks = new Set<Guarded>()
  private clock: NodeJS.Timeout | undefined
  private looking = false
  /** Who waits, one after the other: small tasks do not pass a large one for ever. */
  private line: Promise<unknown> = Promise.resolve()
  /** What tasks held that were ended, until they are done: their next attempts need as much. */
  private readonly learnt = new Map<string, number>()
  private readonly view: MemoryView

  constructor(view: Partial<MemoryView> = {}) {
    this.view = { left: memoryLeft, held: residentBytes, patience, pause: setTimeout, relieve: () => false, ...view }
  }

  /**
   * Waits until there is room for a task.
   * @param stated  bytes that it will hold at most; 0 if nobody has said
   * @param onWait  is told that it waits, again and again
   * @throws the signal's reason if it is aborted before
   */
  async admit(what: string, stated: number, signal: AbortSignal, onWait: (text: string) => void): Promise<Admitted> {
    const need = Math.max(stated, this.learnt.get(what) ?? 0)
    const task: Guarded = { what, need, sessions: new Set() }
    if (need > 0) await this.room(need, signal, onWait, () => this.tasks.add(task))
    else this.tasks.add(task)
    this.clock ??= setInterval(() => void this.look(), between)
    return {
      begin: (pid, end) => {
        task.process = { pid, end }
      },
      release: (done) => {
        this.tasks.delete(task)
        if (done) this.learnt.delete(what)
        if (this.tasks.size > 0) return
        clearInterval(this.clock)
        this.clock = undefined
      },
    }
  }

  /** Looks once, as it does several times a second. */
  async look(): Promise<void> {
    if (this.looking) return
    this.looking = true
    try {
      await this.endLargest()
    } finally {
      this.looking = false
    }
  }

  private async endLargest(): Promise<void> {
    const left = this.view.left()
    if (!left || left.available >= spareOf(left) || this.view.relieve()) return
    let [most, largest]: [number, Guarded | undefined] = [largeShare * left.total, undefined]
    for (const task of this.tasks) {
      const bytes = await this.heldBy(task)
      if (bytes > most) [most, largest] = [bytes, task]
    }
    if (!largest) return
    this.learnt.set(largest.what, most)
    largest.process?.end(
      new ChildFailure(
        'OutOfMemory',
        `${largest.what}: this machine has ${gibibytes(left.available)} of memory left, and the task holds ${gibibytes(most)}, more than any other`,
        {
          remedy:
            'Close other programs, run fewer tasks side by side (`npx puzzleflow worker --slots N`), or use a larger machine; `memory:` of a stage says what each of its tasks needs.',
        },
      ),
    )
  }

  private async room(need: number, signal: AbortSignal, onWait: (text: string) => void, enter: () => void) {
    const before = this.line
    let leave!: () => void
    // Who gives up lets nobody pass those before it.
    this.line = Promise.all([before, new Promise<void>((resolve) => (leave = resolve))])
    const waitingFor = `waiting for ${gibibytes(need)} of memory`
    try {
      const turn = before.then(() => true)
      while (!(await Promise.race([turn, this.view.pause(between).then(() => false)]))) {
        signal.throwIfAborted()
        onWait(waitingFor)
      }
      let alone = 0
      while (!(await this.fits(need)) && alone <= this.view.patience) {
        signal.throwIfAborted()
        onWait(waitingFor)
        this.view.relieve()
        await this.view.pause(between)
        alone = this.tasks.size > 0 ? 0 : alone + between
      }
      signal.throwIfAborted()
      enter()
    } finally {
      leave()
    }
  }

  /** Whether there is room for so much more, once those that have begun hold what they were said to. */
  private async fits(need: number): Promise<boolean> {
    const left = this.view.left()
    if (!left) return true
    const free = left.available - spareOf(left)
    // It will never fit, so it may try while nothing else runs.
    if (this.tasks.size === 0 && need > left.total - spareOf(left)) return true
    let toCome = 0
    for (const task of this.tasks) if (task.need > 0) toCome += Math.max(0, task.need - (await this.heldBy(task)))
    return need + toCome <= free
  }

  private async heldBy({ process, sessions }: Guarded): Promise<number> {
    return process ? this.view.held(process.pid, sessions).catch(() => 0) : 0
  }
}

const spareOf = ({ total }: MemoryLeft) => Math.min(spareShare * total, mostSpare)

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
