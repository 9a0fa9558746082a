import { typeError, unsupported, valueError } from './errors.js'
import { requireLength } from './meter.js'
import { asFloat, asInt } from './numbers.js'
import { repr, str } from './repr.js'
import { character, fixed, inBase, laidOut, signOf } from './specification.js'
import { points } from './text.js'
import { Dict, isInt, isNumber, Tuple, typeName, Undefined, type Value } from './values.js'
import { shown } from '../../errors/foreign.js'

/** Python's `text % values`. */
export function formatPercent(text: string, values: Value): string {
  const given = values instanceof Tuple ? values.items : [values]
  let [used, result, rest, byName] = [0, '', text, false]
  const next = (): Value => {
    if (used >= given.length) throw typeError('not enough arguments for format string')
    return given[used++]!
  }
  for (;;) {
    const at = rest.indexOf('%')
    if (at < 0) break
    result += rest.slice(0, at)
    const match = /^%(?:\(([^()]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?(.)/su.exec(rest.slice(at))
    if (!match) throw valueError('incomplete format')
    const [whole, key, flags, width, precision, type] = match
    rest = rest.slice(at + whole.length)
    if (whole.includes('(') && key === undefined) throw unsupported(`the format ${shown(whole)}`)
    if (width === '*' || precision === '*') throw unsupported('a width "*" in a format')
    if (type === '%') {
      result += '%'
      continue
    }
    let value: Value
    if (key !== undefined) {
      if (!(values instanceof Dict)) throw typeError('format requires a mapping')
      const there = values.get(key)
      if (there === undefined) throw typeError(`KeyError: '${key}'`)
      ;[value, byName] = [there, true]
    } else value = next()
    const digits = /\.(\d*)/.exec(whole.slice(whole.indexOf(')') + 1))?.[1]
    result += one(value, flags!, Number(width ?? 0), digits === undefined ? undefined : Number(digits), type!)
    requireLength(result.length)
  }
  if (used < given.length && !byName && !(values instanceof Dict))
    throw typeError('not all arguments converted during string formatting')
  return result + rest
}

function one(value: Value, flags: string, width: number, precision: number | undefined, type: string): string {
  requireLength(width)
  const align = flags.includes('-') ? '<' : flags.includes('0') ? '=' : '>'
  const layout = { fill: align === '=' ? '0' : ' ', align, width } as const
  const text = { ...layout, fill: ' ', align: flags.includes('-') ? '<' : '>' } as const
  const asked = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  const cut = (all: string) => (precision === undefined ? all : points(all).slice(0, precision).join(''))
  const numeric = (): bigint | boolean | number => {
    if (value instanceof Undefined) throw value.fail()
    if (!isNumber(value)) throw typeError(`%${type} format: a real number is required, not ${typeName(value)}`)
    return value
  }
  switch (type) {
    case 's':
      return laidOut('', cut(str(value)), text)
    case 'r':
      return laidOut('', cut(repr(value)), text)
    case 'c':
      if (typeof value === 'string' && points(value).length === 1) return laidOut('', value, text)
      if (!isInt(value)) throw typeError('%c requires int or char')
      return laidOut('', character(asInt(value)), text)
    case 'd':
    case 'i':
    case 'u': {
      const number = numeric()
      if (typeof number === 'number' && !Number.isFinite(number))
        throw valueError('cannot convert float NaN or infinity to integer')
      const int = typeof number === 'number' ? BigInt(Math.trunc(number)) : asInt(number)
      return laidOut(signOf(int < 0n, asked), inBase(int, 'd').padStart(precision ?? 0, '0'), layout)
    }
    case 'x':
    case 'X':
    case 'o': {
      if (!isInt(value)) throw typeError(`%${type} format: an integer is required, not ${typeName(value)}`)
      const prefix = flags.includes('#') ? `0${type}` : ''
      const int = asInt(value)
      return laidOut(signOf(int < 0n, asked) + prefix, inBase(int, type).padStart(precision ?? 0, '0'), layout)
    }
    case 'f':
    case 'F': {
      if (flags.includes('#')) throw unsupported('the flag "#" of a float')
      const float = asFloat(numeric())
      const finite = fixed(float, precision ?? 6)
      return laidOut(
        signOf(float < 0 || Object.is(float, -0), asked),
        type === 'F' ? finite.toUpperCase() : finite,
        layout,
      )
    }
    case 'a':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
      throw unsupported(`the format %${type}`)
    default:
      throw valueError(`unsupported format character '${type}'`)
  }
}
