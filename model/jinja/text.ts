import { read } from './meter.js'

// Python counts code points, JavaScript the halves that those above U+FFFF have.
const halves = /[\ud800-\udfff]/

/** What Python's `strip()`, `split()` and regular expressions take for blank. */
export const blank = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const isBlank = new RegExp(`^[${blank}]$`)
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g

/** Code points of a text. */
export const points = (text: string): string[] => Array.from(read(text))

/** How many code points. */
export function length(text: string): number {
  if (!halves.test(read(text))) return text.length
  return Array.from(text).length
}

/** From one code point to before another. */
export function part(text: string, from: number, to: number): string {
  return halves.test(read(text)) ? Array.from(text).slice(from, to).join('') : text.slice(from, to)
}

/** Where a code point begins that `units` UTF-16 units are before. */
export const pointsBefore = (text: string, units: number): number => length(text.slice(0, units))

export const isBlankText = (text: string): boolean => text !== '' && points(text).every((char) => isBlank.test(char))

/** A text without the characters at its ends. @param chars  undefined: what is blank */
export function strip(text: string, chars: string | undefined, ends: 'left' | 'right' | 'both'): string {
  const all = points(text)
  const set = chars === undefined ? undefined : new Set(points(chars))
  const goes = (char: string) => (set ? set.has(char) : isBlank.test(char))
  let [from, to] = [0, all.length]
  if (ends !== 'right') while (from < to && goes(all[from]!)) from++
  if (ends !== 'left') while (to > from && goes(all[to - 1]!)) to--
  return all.slice(from, to).join('')
}

/** Words between what is blank. @param most  splits; negative: all */
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

/** Parts between a separator. @param most  splits; negative: all */
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

/** As `<` orders texts: by code points. */
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

/** A letter as the first of a title: of few it is not the capital. */
export function titleCase(char: string): string {
  const code = char.codePointAt(0)!
  if (code >= 0x1c4 && code <= 0x1cc) return String.fromCodePoint(0x1c5 + 3 * Math.floor((code - 0x1c4) / 3))
  if (code >= 0x1f1 && code <= 0x1f3) return '\u01f2'
  // Georgian, and Greek with a small iota below.
  if ((code >= 0x10d0 && code <= 0x10fa) || (code >= 0x10fd && code <= 0x10ff)) return char
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8)
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9)
  if (code === 0x1fbc || code === 0x1fcc || code === 0x1ffc) return char
  const upper = char.toUpperCase()
  const [first, ...rest] = upper
  if (rest.length === 0) return upper
  // Letters whose small iota or accent is a mark of its own keep it small.
  return first! + rest.join('').toLowerCase()
}
