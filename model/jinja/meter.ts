import { JinjaError } from './errors.js'

/** What one rendering may take: a template is a program, and may come from anybody. */
export const limits = {
  /** Units of work: a node evaluated, an element of a list made, eight characters read. */
  work: 2 ** 24,
  /** Characters of one text. */
  characters: 2 ** 26,
  /** Macros, loops and values within each other. */
  depth: 150,
  milliseconds: 10_000,
} as const

interface Meter {
  work: number
  depth: number
  readonly strict: boolean
  readonly end: number
}

// A rendering is one synchronous call.
let current: Meter | undefined

/** Does work within the limits.
 *  @param strict  whether what is undefined is an error wherever it is used (Jinja's StrictUndefined)
 *  @throws JinjaError of the kind `bound` beyond them */
export function metered<T>(work: () => T, strict = false): T {
  const before = current
  current = { work: 0, depth: 0, strict, end: Date.now() + limits.milliseconds }
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) throw new JinjaError('bound', 'it is nested too deeply')
    throw error
  } finally {
    current = before
  }
}

/** Whether what is undefined is an error wherever it is used. */
export const isStrict = (): boolean => current?.strict === true

/** Counts work. */
export function charge(units = 1): void {
  if (!current) return
  const before = current.work
  current.work += units
  if (current.work > limits.work) throw new JinjaError('bound', `it takes more than ${limits.work} steps`)
  if (Math.floor(before / 65536) !== Math.floor(current.work / 65536) && Date.now() > current.end)
    throw new JinjaError('bound', `it does not end in ${limits.milliseconds / 1000} s`)
}

/** Counts the reading of a text. @returns the text */
export function read(text: string): string {
  charge(text.length / 8)
  return text
}

/** Refuses a text or list that would be too long, before it is made. */
export function requireLength(length: number | bigint): void {
  if (length > limits.characters)
    throw new JinjaError('bound', `it makes a text of more than ${limits.characters} characters`)
}

/** Counts how deep calls are within each other. */
export function nested<T>(work: () => T): T {
  if (!current) return work()
  if (++current.depth > limits.depth)
    throw new JinjaError('bound', `its calls, loops or values are nested more than ${limits.depth} deep`)
  try {
    return work()
  } finally {
    current.depth--
  }
}
