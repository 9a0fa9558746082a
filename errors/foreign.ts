/**
 * The entry of a table, where the key may be any text, such as a name from a file. Every object has a `constructor` that no table
 * means.
 */
export const entryOf = <T extends object>(table: T, key: unknown): T[keyof T] | undefined =>
  typeof key === 'string' && Object.hasOwn(table, key) ? table[key as keyof T] : undefined

/** Whether a value from outside is an object, and not a list. */
export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Most characters of a value in a message. */
const longestShown = 60

/** Most values that are looked at for a message. */
const mostParts = 32

/**
 * A value from outside for a message: as JSON, but never longer than a line, however large or deep it is.
 *
 *     shown('a "b"') // "a \\"b\\""
 *     shown([[[[1]]]]) // [[[…]]]
 */
export function shown(value: unknown): string {
  const parts: string[] = []
  write(value, parts, 0)
  const text = parts.join('')
  return cut(text, longestShown)
}

function write(value: unknown, parts: string[], depth: number): void {
  if (typeof value === 'string') {
    const text = JSON.stringify(value.slice(0, longestShown))
    parts.push(text.length > longestShown ? `${whole(text, longestShown - 3)}…"` : text)
  } else if (typeof value !== 'object' || value === null) parts.push(scalar(value))
  else if (depth === 3) parts.push(Array.isArray(value) ? '[…]' : '{…}')
  else if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const items = Array.from(
      { length: Math.min(mostParts, (value as unknown[]).length ?? 0) },
      (_, i) => (value as unknown[])[i],
    )
    list('[', ']', items, parts, (item) => write(item, parts, depth + 1))
  } else
    list('{', '}', firstKeys(value), parts, (key) => {
      write(key, parts, depth + 1)
      parts.push(':')
      write((value as Record<string, unknown>)[key], parts, depth + 1)
    })
}

function list<T>(open: string, close: string, items: readonly T[], parts: string[], each: (item: T) => void): void {
  parts.push(open)
  for (const [i, item] of items.entries()) {
    if (parts.length > mostParts) {
      parts.push('…')
      break
    }
    if (i > 0) parts.push(',')
    each(item)
  }
  parts.push(close)
}

/** Without a list of all keys, which may be millions. */
function firstKeys(value: object): string[] {
  const keys: string[] = []
  for (const key in value) {
    if (keys.length === mostParts) break
    if (Object.hasOwn(value, key)) keys.push(key)
  }
  return keys
}

const scalar = (value: unknown): string =>
  typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value)

/** The beginning of a text, not cut within a character of two code units. */
function whole(text: string, most: number): string {
  if (text.length <= most) return text
  const unit = text.charCodeAt(most - 1)
  return text.slice(0, unit >= 0xd800 && unit <= 0xdbff ? most - 1 : most)
}

/** Most characters of a line of a message, and of a message. */
const longestLine = 2000
const longestMessage = 100_000

/** A message that can be read, whatever names from outside are in it: a name may have a million characters. */
export function legible(message: string): string {
  if (message.length <= longestLine) return message
  const lines = message.split('\n').map((line) => cut(line, longestLine))
  return cut(lines.join('\n'), longestMessage)
}

const cut = (text: string, most: number): string => (text.length > most ? `${whole(text, most - 1)}…` : text)
