import { within } from '../errors/within.js'

/** Milliseconds that one match may take. */
const mostMilliseconds = 1000

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
      const found = within(mostMilliseconds, () => expression.test(text))
      if (!found.done) slow.add(pattern)
      return found.done && found.value
    },
  }
}
boundedPattern.code = 'new RegExp'
