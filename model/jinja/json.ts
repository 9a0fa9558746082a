import { JinjaError, typeError, unsupported, valueError } from './errors.js'
import { charge, nested, requireLength } from './meter.js'
import { asInt, floatText, intText } from './numbers.js'
import { compare } from './operators.js'
import { Dict, isInt, List, Tuple, typeName, Undefined, type Value } from './values.js'
import { entryOf } from '../../errors/foreign.js'

/** Largest depth of nested values. */
const mostDepth = 500

/** Parses JSON as Python's `json.loads` does: `1.0` is a float, `1` an int of any size, and keys keep their order.
 *  @throws SyntaxError */
export function parseJson(text: string): Value {
  let at = 0
  const bad = (): SyntaxError => new SyntaxError(`is not JSON at character ${at + 1}`)
  const skip = () => {
    while (at < text.length && ' \t\n\r'.includes(text[at]!)) at++
  }
  const string = (): string => {
    const from = at++
    while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    at++
    if (at > text.length) throw bad()
    return JSON.parse(text.slice(from, at)) as string
  }
  const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y
  const words: readonly (readonly [string, Value])[] = [
    ['true', true],
    ['false', false],
    ['null', null],
    ['NaN', Number.NaN],
    ['Infinity', Infinity],
    ['-Infinity', -Infinity],
  ]
  const value = (depth: number): Value => {
    if (depth > mostDepth) throw new SyntaxError(`has values more than ${mostDepth} deep within each other`)
    skip()
    const first = text[at]
    if (first === '"') return string()
    if (first === '{') {
      const dict = new Dict()
      members('}', () => {
        if (text[at] !== '"') throw bad()
        const key = string()
        skip()
        if (text[at++] !== ':') throw bad()
        dict.put(key, value(depth + 1))
      })
      return dict
    }
    if (first === '[') {
      const items: Value[] = []
      members(']', () => items.push(value(depth + 1)))
      return new List(items)
    }
    for (const [word, meant] of words)
      if (text.startsWith(word, at)) {
        at += word.length
        return meant
      }
    number.lastIndex = at
    const found = number.exec(text)
    if (!found) throw bad()
    at += found[0].length
    return found[1] === undefined && found[2] === undefined ? BigInt(found[0]) : Number(found[0])
  }
  const members = (end: string, member: () => void): void => {
    at++
    skip()
    if (text[at] === end) {
      at++
      return
    }
    for (;;) {
      skip()
      member()
      skip()
      const next = text[at++]
      if (next === end) return
      if (next !== ',') throw bad()
    }
  }
  const read = value(0)
  skip()
  if (at < text.length) throw bad()
  return read
}

/** A float with an integer value, which JavaScript could not distinguish from an int. */
export class Float {
  constructor(readonly value: number) {}
}

/** Parses JSON without the losses of `JSON.parse`: large ints are bigints, `1.0` is a `Float`, and an object whose keys
 *  JavaScript would reorder becomes a `Dict`, the type of templates.
 *  @throws SyntaxError if the text is not JSON */
export const exactJson = (text: string): unknown => toJs(parseJson(text))

function toJs(value: Value): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value === 'number') return Number.isInteger(value) ? new Float(value) : value
  if (value instanceof List) return value.items.map(toJs)
  if (!(value instanceof Dict)) return value
  const pairs = value.pairs() as readonly (readonly [string, Value])[]
  if (pairs.some(([key]) => key === '__proto__' || /^\d+$/.test(key))) return value
  return Object.fromEntries(pairs.map(([key, item]) => [key, toJs(item)]))
}

/** Converts a JavaScript value, from JSON or a table's row, to a template's value. Values of templates stay as they are. */
export function fromJs(value: unknown, depth = 0): Value {
  if (depth > mostDepth) throw new JinjaError('bound', `values are more than ${mostDepth} deep within each other`)
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return value
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (value instanceof List || value instanceof Dict || value instanceof Tuple) return value
  if (value instanceof Float) return value.value
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return new List(Array.from(value as ArrayLike<unknown>, (item) => fromJs(item, depth + 1)))
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'object') throw unsupported(`a ${typeof value} in messages`)
  return new Dict(Object.entries(value).map(([key, item]) => [key, fromJs(item, depth + 1)]))
}

/** Options of `json.dumps`. */
export interface Dump {
  readonly ascii: boolean
  readonly indent: string | undefined
  readonly separators: readonly [item: string, key: string] | undefined
  readonly sortKeys: boolean
}

/** Python's `json.dumps`. */
export function dumpJson(value: Value, { ascii, indent, separators, sortKeys }: Dump): string {
  const [comma, colon] = separators ?? [indent === undefined ? ', ' : ',', ': ']
  let size = 0
  const write = (item: Value, level: number): string => {
    charge()
    if (item === null) return 'null'
    if (typeof item === 'string') return text(item, ascii)
    if (typeof item === 'boolean') return String(item)
    if (typeof item === 'bigint') return intText(item)
    if (typeof item === 'number') return float(item)
    if (item instanceof List || item instanceof Tuple)
      return framed(
        '[',
        item.items.map((one) => () => write(one, level + 1)),
        ']',
        level,
      )
    if (item instanceof Dict) {
      const pairs = [...item.pairs()]
      if (sortKeys) pairs.sort(([a], [b]) => compare(a, b))
      return framed(
        '{',
        pairs.map(
          ([key, one]) =>
            () =>
              text(keyText(key), ascii) + colon + write(one, level + 1),
        ),
        '}',
        level,
      )
    }
    throw typeError(`Object of type ${typeName(item)} is not JSON serializable`)
  }
  const framed = (open: string, parts: readonly (() => string)[], close: string, level: number): string =>
    nested(() => {
      if (parts.length === 0) return open + close
      const inner = indent === undefined ? '' : `\n${indent.repeat(level + 1)}`
      const outer = indent === undefined ? '' : `\n${indent.repeat(level)}`
      const all = parts.map((part) => {
        const made = part()
        requireLength((size += inner.length + comma.length))
        return made
      })
      return open + inner + all.join(comma + inner) + outer + close
    })
  return write(value, 0)
}

const float = (value: number): string =>
  Number.isNaN(value) ? 'NaN' : Number.isFinite(value) ? floatText(value) : value > 0 ? 'Infinity' : '-Infinity'

function keyText(key: Value): string {
  if (typeof key === 'string') return key
  if (key === null) return 'null'
  if (typeof key === 'boolean') return String(key)
  if (typeof key === 'bigint') return intText(key)
  if (typeof key === 'number') return float(key)
  throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

const short: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

/** Characters that are escaped at once: for each that is replaced, the engine holds a part of the text. */
const atOnce = 2 ** 16

function text(value: string, ascii: boolean): string {
  charge(value.length / 8)
  const escaped = ascii ? /["\\]|[^ -~]/g : /["\\\0-\x1f]/g
  const shortOf = (unit: string) => entryOf(short, unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  let made = ''
  for (let at = 0; at < value.length; at += atOnce) {
    made += value.slice(at, at + atOnce).replace(escaped, shortOf)
    requireLength(made.length)
  }
  return `"${made}"`
}

/** Converts the parameter `indent` of `json.dumps`. */
export function indentOf(indent: Value): string | undefined {
  if (indent === null) return undefined
  if (typeof indent === 'string') return indent
  if (indent instanceof Undefined) throw indent.fail()
  if (!isInt(indent)) throw typeError(`indent cannot be a ${typeName(indent)}`)
  const width = Number(asInt(indent))
  if (width > 1000) throw unsupported(`an indentation of ${width}`)
  return ' '.repeat(Math.max(0, width))
}

/** Converts the parameter `separators` of `json.dumps`. */
export function separatorsOf(given: Value): readonly [string, string] | undefined {
  if (given === null) return undefined
  const items = given instanceof Tuple || given instanceof List ? given.items : []
  const [comma, colon] = items
  if (items.length !== 2) throw valueError('separators must be two texts')
  if (typeof comma !== 'string' || typeof colon !== 'string') throw typeError('separators must be texts')
  return [comma, colon]
}
