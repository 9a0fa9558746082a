import { createContext, Script } from 'node:vm'

const context = createContext({ work: undefined }) as { work: (() => unknown) | undefined }
const script = new Script('work()')

/** Does work that may try to match a text for ever. Not done: it took longer. */
export function within<T>(
  milliseconds: number,
  work: () => T,
): { readonly done: true; readonly value: T } | { readonly done: false } {
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
