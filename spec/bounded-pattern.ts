import { createContext, Script } from 'node:vm'

/** Milliseconds that one match may take. */
const mostMilliseconds = 1000

const context = createContext({ test: undefined as (() => boolean) | undefined })
const script = new Script('test()')
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
      context.test = () => expression.test(text)
      try {
        return script.runInContext(context, { timeout: mostMilliseconds }) as boolean
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
        slow.add(pattern)
        return false
      } finally {
        context.test = undefined
      }
    },
  }
}
boundedPattern.code = 'new RegExp'
