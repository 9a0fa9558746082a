import { createContext, Script } from 'node:vm'

/** Milliseconds that one match may take. */
const mostMilliseconds = 1000

const context = createContext({ work: undefined as (() => unknown) | undefined })
const script = new Script('work()')

/** Does work that may try to match a text for ever. Not done: it took more than a second. */
export function withinASecond<T>(work: () => T): { readonly done: true; readonly value: T } | { readonly done: false } {
  context.work = work
  try {
    return { done: true, value: script.runInContext(context, { timeout: mostMilliseconds }) as T }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    return { done: false }
  } finally {
    context.work = undefined
  }
}

const slow = new Set<string>()

/** Whether matching some text against a pattern timed out. */
export const isSlow = (pattern: string): boolean => slow.has(pattern)

/** Patterns as ajv uses them. A spec may bring patterns that backtrack forever: those match nothing. */
export function boundedPattern(pattern: string, flags: string): { test(text: string): boolean; toString(): string } {
  const expression = new RegExp(pattern, flags)
  return {
    // ajv distinguishes patterns by this.
    toString: () => String(expression),
    test(text) {
      if (slow.has(pattern)) return false
      const found = withinASecond(() => expression.test(text))
      if (!found.done) slow.add(pattern)
      return found.done && found.value
    },
  }
}
boundedPattern.code = 'new RegExp'
