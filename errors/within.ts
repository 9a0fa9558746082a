import { createContext, Script } from 'node:vm'

const context = createContext({ work: undefined }) as { work: (() => unknown) | undefined }
const script = new Script('work()')

/** Work that came to an end, or took longer than it may. */
type Bounded<T> = { readonly done: true; readonly value: T } | { readonly done: false }

/** Times that work is begun again if others had the processor, and how many times as long it may then take by the clock. */
const [mostAttempts, mostPatience] = [5, 20]

/**
 * Does work that may try to match a text for ever, within so much CPU time of this process. V8 can only bound time by the clock:
 * where a busy machine took most of it, or a process was stopped for a while, the work is begun again.
 */
export function within<T>(milliseconds: number, work: () => T): Bounded<T> {
  let clock = milliseconds
  for (let attempt = 1; ; attempt++) {
    const began = process.cpuUsage()
    const result = withinByClock(clock, work)
    const { user, system } = process.cpuUsage(began)
    const used = (user + system) / 1000
    if (result.done || used > 0.8 * milliseconds || attempt === mostAttempts) return result
    clock = Math.min(mostPatience * milliseconds, (clock * milliseconds) / Math.max(1, used))
  }
}

function withinByClock<T>(milliseconds: number, work: () => T): Bounded<T> {
  const before = context.work
  context.work = work
  try {
    return { done: true, value: script.runInContext(context, { timeout: Math.ceil(milliseconds) }) as T }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    return { done: false }
  } finally {
    context.work = before
  }
}
