import { typeError, unsupported, valueError } from './errors.js'
import { charge, read, requireLength } from './meter.js'
import { bind, needInt, needText } from './parameters.js'
import {
  isBlankText,
  length,
  part,
  points,
  pointsBefore,
  splitAt,
  splitBlank,
  splitLines,
  strip,
  titleCase,
} from './text.js'
import {
  Callable,
  isInt,
  iterate,
  List,
  Tuple,
  typeName,
  type Arguments,
  type KeywordArguments,
  type Value,
} from './values.js'
import { entryOf } from '../../errors/foreign.js'

type Given = Readonly<Record<string, Value | undefined>>
type Method = readonly [spec: string, (text: string, given: Given) => Value]

const list = (texts: readonly string[]): List => new List(texts)
const int = (value: number): bigint => BigInt(value)
const optional = (value: Value | undefined, what: string): string | undefined =>
  value === undefined || value === null ? undefined : needText(value, what)
const stripped =
  (ends: 'left' | 'right' | 'both'): Method[1] =>
  (text, { chars }) =>
    strip(text, optional(chars, 'strip arg'), ends)

const split =
  (fromRight: boolean): Method[1] =>
  (text, { sep, maxsplit }) => {
    const [separator, most] = [optional(sep, 'sep'), needInt(maxsplit, -1)]
    if (separator === '') throw valueError('empty separator')
    return list(separator === undefined ? splitBlank(text, most, fromRight) : splitAt(text, separator, most, fromRight))
  }

/** The part of a text between `start` and `end`, in code points. */
function window(text: string, { start, end }: Given): { from: number; within: string; empty: boolean } {
  const size = length(text)
  const place = (value: Value | undefined, none: number) => {
    if (value === undefined || value === null) return none
    if (!isInt(value)) throw typeError('slice indices must be integers or None')
    const at = Number(value)
    return Math.max(0, at < 0 ? at + size : at)
  }
  const [from, to] = [place(start, 0), Math.min(size, place(end, size))]
  return { from, within: part(text, from, Math.max(from, to)), empty: from > to || from > size }
}

const find =
  (last: boolean, must: boolean): Method[1] =>
  (text, given) => {
    const { from, within, empty } = window(text, given)
    const sub = needText(given.sub, 'sub')
    const at = empty ? -1 : last ? within.lastIndexOf(sub) : within.indexOf(sub)
    if (at < 0 && must) throw valueError('substring not found')
    return int(at < 0 ? -1 : from + pointsBefore(within, at))
  }

const begins =
  (name: string, test: (text: string, what: string) => boolean): Method[1] =>
  (text, given) => {
    const { within, empty } = window(text, given)
    const { prefix } = given
    const all = prefix instanceof Tuple ? prefix.items : [prefix!]
    const texts = all.map((one) => needText(one, `${name} first arg must be str or a tuple of str: it`))
    return !empty && texts.some((what) => test(within, what))
  }

const partition =
  (fromRight: boolean): Method[1] =>
  (text, { sep }) => {
    const separator = needText(sep, 'sep')
    if (separator === '') throw valueError('empty separator')
    const at = fromRight ? text.lastIndexOf(separator) : text.indexOf(separator)
    if (at < 0) return new Tuple(fromRight ? ['', '', text] : [text, '', ''])
    return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)])
  }

const padded =
  (before: (missing: number, width: number) => number): Method[1] =>
  (text, { width, fillchar }) => {
    const fill = fillchar === undefined ? ' ' : needText(fillchar, 'The fill character')
    if (length(fill) !== 1) throw typeError('The fill character must be exactly one character long')
    const wanted = needInt(width, 0)
    const missing = wanted - length(text)
    if (missing <= 0) return text
    requireLength(missing)
    const left = before(missing, wanted)
    return fill.repeat(left) + text + fill.repeat(missing - left)
  }

/** Whether a text is not empty and all its characters match. */
const all = (pattern: RegExp): Method => ['', (text) => text !== '' && points(text).every((char) => pattern.test(char))]

const cased = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u
const small = /\p{Lowercase}/u
const large = /\p{Uppercase}/u
const allOf =
  (wanted: RegExp): Method[1] =>
  (text) => {
    const letters = points(text).filter((char) => cased.test(char))
    return letters.length > 0 && letters.every((char) => wanted.test(char))
  }

/** Python's `replace`. @param most  largest number of replacements; negative for all */
export function replace(text: string, old: string, by: string, most: number): string {
  const parts = old === '' ? betweenAll(text, most) : splitAt(text, old, most)
  requireLength(text.length + parts.length * by.length)
  charge(parts.length)
  return parts.join(by)
}

/** Splits a text at an empty string, which is found before each character and at the end. */
function betweenAll(text: string, most: number): string[] {
  const all = ['', ...points(text), '']
  if (most < 0 || most >= all.length - 1) return all
  return [...all.slice(0, most), all.slice(most).join('')]
}

export function title(text: string): string {
  let [found, inside] = ['', false]
  for (const char of points(text)) {
    found += inside ? char.toLowerCase() : titleCase(char)
    inside = cased.test(char)
  }
  return found
}

export const capitalize = (text: string): string => {
  const [first = '', ...rest] = points(text)
  return (first && titleCase(first)) + rest.join('').toLowerCase()
}

const methods: Readonly<Record<string, Method>> = {
  capitalize: ['', (text) => capitalize(text)],
  center: ['width, fillchar?, /', padded((missing, width) => Math.floor(missing / 2) + (missing & width & 1))],
  count: [
    'sub, start?, end?, /',
    (text, given) => {
      const { within, empty } = window(text, given)
      const sub = needText(given.sub, 'sub')
      return empty ? 0n : int(sub === '' ? length(within) + 1 : within.split(sub).length - 1)
    },
  ],
  endswith: ['prefix, start?, end?, /', begins('endswith', (text, what) => text.endsWith(what))],
  expandtabs: [
    'tabsize?',
    (text, { tabsize }) => {
      const size = needInt(tabsize, 8)
      let [found, column] = ['', 0]
      for (const char of points(text)) {
        if (char === '\t') {
          const count = size > 0 ? size - (column % size) : 0
          requireLength(found.length + count)
          found += ' '.repeat(count)
          column += count
        } else {
          found += char
          column = char === '\n' || char === '\r' ? 0 : column + 1
        }
      }
      return found
    },
  ],
  find: ['sub, start?, end?, /', find(false, false)],
  index: ['sub, start?, end?, /', find(false, true)],
  isalnum: all(/[\p{L}\p{N}]/u),
  isalpha: all(/\p{L}/u),
  isascii: ['', (text) => /^[\0-\x7f]*$/.test(read(text))],
  isdecimal: all(/\p{Nd}/u),
  isdigit: all(
    /[\p{Nd}\xb2\xb3\xb9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]/u,
  ),
  isidentifier: ['', (text) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(read(text))],
  isprintable: ['', (text) => !/[\p{C}\p{Z}]/u.test(read(text).replaceAll(' ', ''))],
  islower: ['', allOf(small)],
  isspace: ['', (text) => isBlankText(text)],
  istitle: [
    '',
    (text) => {
      let [some, inside] = [false, false]
      for (const char of points(text)) {
        const first = large.test(char) || /\p{Lt}/u.test(char)
        if (first ? inside : small.test(char) && !inside) return false
        inside = cased.test(char)
        some ||= inside
      }
      return some
    },
  ],
  isupper: ['', allOf(large)],
  join: [
    'iterable, /',
    (text, { iterable }) => {
      const iterator = iterate(iterable!)
      const parts: string[] = []
      let size = 0
      for (let next = iterator.next(); !next.done; next = iterator.next()) {
        if (typeof next.value !== 'string')
          throw typeError(`sequence item ${parts.length}: expected str instance, ${typeName(next.value)} found`)
        charge()
        requireLength((size += next.value.length + text.length))
        parts.push(next.value)
      }
      return parts.join(text)
    },
  ],
  ljust: ['width, fillchar?, /', padded(() => 0)],
  lower: ['', (text) => text.toLowerCase()],
  lstrip: ['chars?, /', stripped('left')],
  partition: ['sep, /', partition(false)],
  removeprefix: [
    'prefix, /',
    (text, { prefix }) => {
      const cut = needText(prefix, 'prefix')
      return text.startsWith(cut) ? text.slice(cut.length) : text
    },
  ],
  removesuffix: [
    'suffix, /',
    (text, { suffix }) => {
      const cut = needText(suffix, 'suffix')
      return cut !== '' && text.endsWith(cut) ? text.slice(0, -cut.length) : text
    },
  ],
  replace: [
    'old, new, count?, /',
    (text, { old, new: by, count }) => replace(text, needText(old, 'old'), needText(by, 'new'), needInt(count, -1)),
  ],
  rfind: ['sub, start?, end?, /', find(true, false)],
  rindex: ['sub, start?, end?, /', find(true, true)],
  rjust: ['width, fillchar?, /', padded((missing) => missing)],
  rpartition: ['sep, /', partition(true)],
  rsplit: ['sep?, maxsplit?', split(true)],
  rstrip: ['chars?, /', stripped('right')],
  split: ['sep?, maxsplit?', split(false)],
  splitlines: ['keepends?', (text, { keepends }) => list(splitLines(text, needInt(keepends, 0) !== 0))],
  startswith: ['prefix, start?, end?, /', begins('startswith', (text, what) => text.startsWith(what))],
  strip: ['chars?, /', stripped('both')],
  swapcase: [
    '',
    (text) =>
      points(text)
        .map((char) => (large.test(char) ? char.toLowerCase() : small.test(char) ? char.toUpperCase() : char))
        .join(''),
  ],
  title: ['', (text) => title(text)],
  upper: ['', (text) => text.toUpperCase()],
  zfill: [
    'width, /',
    (text, { width }) => {
      const missing = needInt(width, 0) - length(text)
      if (missing <= 0) return text
      requireLength(missing)
      const sign = /^[+-]/.exec(text)?.[0] ?? ''
      return sign + '0'.repeat(missing) + text.slice(sign.length)
    },
  ],
}

const others = 'casefold encode format_map isnumeric maketrans translate'.split(' ')

/** Returns a method of a text, except for `format` (see `formatBraces`); undefined if Python has no method of this name. */
export function stringMethod(text: string, name: string): Callable | undefined {
  const found = entryOf(methods, name)
  if (found) {
    const [spec, work] = found
    return new Callable(name, (args: Arguments, named: KeywordArguments) =>
      work(read(text), bind(name, spec, args, named)),
    )
  }
  if (!others.includes(name)) return undefined
  return new Callable(name, () => {
    throw unsupported(`str.${name}()`)
  })
}
