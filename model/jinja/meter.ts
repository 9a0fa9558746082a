import { JinjaError } from './errors.js'

/** Limits of one rendering: a template is a program that may come from anybody. */
export const limits = {
  /** Units of work: one for each evaluated node, created element of a list, and eight characters read. */
  work: 2 ** 24,
  /** Number of characters of one text. Several of them are in memory while one is made from another. */
  characters: 2 ** 24,
  /** A text may be so many times as long as what the template is given, if that is more. */
  growth: 4,
  /** Depth of nested macros, loops and values. */
  depth: 150,
  /** Of processor time: a busy machine refuses no template. */
  milliseconds: 10_000,
} as const

interface Meter {
  work: number
  depth: number
  readonly strict: boolean
  readonly began: NodeJS.CpuUsage
  readonly characters: number
}

// A rendering is one synchronous call, so one meter at a time is enough.
let current: Meter | undefined

/** Does work within the limits.
 *  @param strict  whether any use of an undefined value is an error (Jinja's StrictUndefined)
 *  @param given   number of characters that the work begins with
 *  @throws JinjaError of the kind `bound` if it exceeds them */
export function metered<T>(work: () => T, strict = false, given = 0): T {
  const before = current
  const characters = Math.max(limits.characters, limits.growth * given)
  current = { work: 0, depth: 0, strict, began: process.cpuUsage(), characters }
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) throw new JinjaError('bound', 'it is nested too deeply')
    throw error
  } finally {
    current = before
  }
}

/** Whether any use of an undefined value is an error. */
export const isStrict = (): boolean => current?.strict === true

/** Counts units of work. @throws JinjaError of the kind `bound` */
export function charge(units = 1): void {
  if (!current) return
  const before = current.work
  current.work += units
  if (current.work > limits.work) throw new JinjaError('bound', `it takes more than ${limits.work} steps`)
  if (Math.floor(before / 65536) !== Math.floor(current.work / 65536) && usedSince(current) > limits.milliseconds)
    throw new JinjaError('bound', `it does not end in ${limits.milliseconds / 1000} s`)
}

/** Milliseconds of processor time of this process since a rendering began. */
function usedSince({ began }: Meter): number {
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1000
}

/** Counts the reading of a text. @returns the text */
export function read(text: string): string {
  charge(text.length / 8)
  return text
}

/** Refuses a text or list that would be too long, before it is created. */
export function requireLength(length: number | bigint): void {
  const most = current?.characters ?? limits.characters
  if (length > most) throw new JinjaError('bound', `it makes a text of more than ${most} characters`)
}

/** Counts the depth of nested calls. */
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
