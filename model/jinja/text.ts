import { read } from './meter.js'

// Python counts code points, JavaScript UTF-16 units: characters above U+FFFF have two.
const halves = /[\ud800-\udfff]/

/** The characters that count as whitespace in Python's `strip()`, `split()` and regular expressions. */
export const blank = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const isBlank = new RegExp(`^[${blank}]$`)
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g

/** Code points of a text. */
export const points = (text: string): string[] => Array.from(read(text))

/** Number of code points of a text. */
export function length(text: string): number {
  if (!halves.test(read(text))) return text.length
  return Array.from(text).length
}

/** The part of a text from one code point up to, but not including, another. */
export function part(text: string, from: number, to: number): string {
  return halves.test(read(text)) ? Array.from(text).slice(from, to).join('') : text.slice(from, to)
}

/** Converts an index in UTF-16 units to one in code points. */
export const pointsBefore = (text: string, units: number): number => length(text.slice(0, units))

export const isBlankText = (text: string): boolean => text !== '' && points(text).every((char) => isBlank.test(char))

/** Removes characters from the ends of a text. @param chars  the characters; whitespace if undefined */
export function strip(text: string, chars: string | undefined, ends: 'left' | 'right' | 'both'): string {
  const all = points(text)
  const set = chars === undefined ? undefined : new Set(points(chars))
  const goes = (char: string) => (set ? set.has(char) : isBlank.test(char))
  let [from, to] = [0, all.length]
  if (ends !== 'right') while (from < to && goes(all[from]!)) from++
  if (ends !== 'left') while (to > from && goes(all[to - 1]!)) to--
  return all.slice(from, to).join('')
}

/** Splits a text at whitespace. @param most  largest number of splits; negative for all */
export function splitBlank(text: string, most: number, fromRight = false): string[] {
  const words: string[] = []
  const all = points(text)
  if (fromRight) all.reverse()
  let at = 0
  const order = (chars: string[]) => (fromRight ? chars.reverse() : chars).join('')
  for (;;) {
    while (at < all.length && isBlank.test(all[at]!)) at++
    if (at === all.length) break
    if (most >= 0 && words.length === most) {
      words.push(order(all.slice(at)))
      break
    }
    const from = at
    while (at < all.length && !isBlank.test(all[at]!)) at++
    words.push(order(all.slice(from, at)))
  }
  return fromRight ? words.reverse() : words
}

/** Splits a text at a separator. @param most  largest number of splits; negative for all */
export function splitAt(text: string, separator: string, most: number, fromRight = false): string[] {
  read(text)
  if (most < 0) return text.split(separator)
  const parts: string[] = []
  let rest = text
  while (parts.length < most) {
    const at = fromRight ? rest.lastIndexOf(separator) : rest.indexOf(separator)
    if (at < 0) break
    parts.push(fromRight ? rest.slice(at + separator.length) : rest.slice(0, at))
    rest = fromRight ? rest.slice(0, at) : rest.slice(at + separator.length)
  }
  parts.push(rest)
  return fromRight ? parts.reverse() : parts
}

export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = []
  let from = 0
  for (const { 0: end, index } of read(text).matchAll(lineEnd)) {
    lines.push(text.slice(from, keepEnds ? index + end.length : index))
    from = index + end.length
  }
  if (from < text.length) lines.push(text.slice(from))
  return lines
}

/** Compares texts as Python's `<` does: by code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  if (!halves.test(a) && !halves.test(b)) return a < b ? -1 : 1
  const [left, right] = [Array.from(a), Array.from(b)]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** Converts a character to title case, which differs from upper case for a few letters. */
export function titleCase(char: string): string {
  const code = char.codePointAt(0)!
  if (code >= 0x1c4 && code <= 0x1cc) return String.fromCodePoint(0x1c5 + 3 * Math.floor((code - 0x1c4) / 3))
  if (code >= 0x1f1 && code <= 0x1f3) return '\u01f2'
  // Georgian letters have no title case; Greek letters with an iota subscript have one that differs from upper case.
  if ((code >= 0x10d0 && code <= 0x10fa) || (code >= 0x10fd && code <= 0x10ff)) return char
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8)
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9)
  if (code === 0x1fbc || code === 0x1fcc || code === 0x1ffc) return char
  const upper = char.toUpperCase()
  const [first, ...rest] = upper
  if (rest.length === 0) return upper
  // Where upper case has several characters, only the first one stays upper case.
  return first! + rest.join('').toLowerCase()
}
