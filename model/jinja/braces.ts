import { pythonError, unsupported, valueError } from './errors.js'
import { requireLength } from './meter.js'
import { asFloat, asInt } from './numbers.js'
import { repr, str } from './repr.js'
import { character, fixed, inBase, laidOut, signOf } from './specification.js'
import { points } from './text.js'
import { isInt, typeName, Undefined, type Arguments, type KeywordArguments, type Value } from './values.js'

/** How a field accesses parts of a value: `{0.name}`, `{0[key]}`. */
export interface Lookups {
  readonly getAttribute: (value: Value, name: string) => Value
  readonly getItem: (value: Value, key: Value) => Value
}

/** Python's `text.format(…)`. */
export function formatBraces(
  text: string,
  args: Arguments,
  named: KeywordArguments,
  { getAttribute, getItem }: Lookups,
): string {
  let [result, at, automatic] = ['', 0, 0]
  while (at < text.length) {
    const open = /[{}]/.exec(text.slice(at))
    if (!open) return result + text.slice(at)
    result += text.slice(at, at + open.index)
    at += open.index
    if (text[at] === text[at + 1]) {
      result += text[at]!
      at += 2
      continue
    }
    if (text[at] === '}') throw valueError("Single '}' encountered in format string")
    const end = text.indexOf('}', at)
    if (end < 0) throw valueError("expected '}' before end of string")
    const inner = text.slice(at + 1, end)
    if (inner.includes('{')) throw unsupported('a field within a field of format()')
    const match = /^([^!:[.]*)((?:\.[^.[!:]+|\[[^\]]+\])*)(?:!(.))?(?::(.*))?$/su.exec(inner)
    if (!match) throw valueError(`the field {${inner}} of format() is not valid`)
    const [, name = '', path = '', conversion, specification = ''] = match
    let value = valueOf(name)
    for (const [step] of path.matchAll(/\.[^.[]+|\[[^\]]+\]/g)) {
      const key = step.startsWith('.') ? step.slice(1) : step.slice(1, -1)
      value = step.startsWith('.') ? getAttribute(value, key) : getItem(value, /^\d+$/.test(key) ? BigInt(key) : key)
    }
    if (conversion !== undefined && !'rs'.includes(conversion))
      throw unsupported(`the conversion !${conversion} of format()`)
    result += written(conversion === 'r' ? repr(value) : conversion === 's' ? str(value) : value, specification)
    requireLength(result.length)
    at = end + 1
  }
  return result

  function valueOf(name: string): Value {
    if (name !== '' && !/^\d+$/.test(name)) {
      const value = named.get(name)
      if (value === undefined) throw pythonError('KeyError', `'${name}'`)
      return value
    }
    if ((name === '' && automatic < 0) || (name !== '' && automatic > 0))
      throw valueError('cannot switch between manual and automatic field numbering')
    const index = name === '' ? automatic++ : Number(name)
    if (name !== '') automatic = -1
    const value = args[index]
    if (value === undefined) throw pythonError('IndexError', 'Replacement index out of range for positional args tuple')
    return value
  }
}

function written(value: Value, specification: string): string {
  if (specification === '') return str(value)
  const match = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su.exec(specification)
  if (!match) throw valueError('Invalid format specifier')
  const [, fill, align, sign = '', alternate, zero, width = '0', grouping, precision, type] = match
  if (alternate) throw unsupported('"#" in a format')
  const isText = typeof value === 'string'
  requireLength(Number(width))
  const layout = {
    fill: fill ?? (zero ? '0' : ' '),
    align: (align ?? (zero && !isText ? '=' : isText ? '<' : '>')) as '<' | '>' | '^' | '=',
    width: Number(width),
  }
  if (isText) {
    if (type !== undefined && type !== 's') throw valueError(`Unknown format code '${type}' for object of type 'str'`)
    if (sign || grouping || layout.align === '=') throw valueError(`'${specification}' is not a format for a text`)
    return laidOut('', precision === undefined ? value : points(value).slice(0, Number(precision)).join(''), layout)
  }
  if (value instanceof Undefined) throw unsupported('formatting an undefined value')
  const group = (digits: string) => (grouping ? digits.replace(/\B(?=(\d{3})+$)/g, grouping) : digits)
  if (grouping && (zero || layout.align === '=')) throw unsupported('groups of digits with leading zeros')
  if (isInt(value) && typeof value !== 'boolean' && (type === undefined || 'dxXobcn'.includes(type))) {
    if (precision !== undefined) throw valueError('Precision not allowed in integer format specifier')
    if (type === 'n') throw unsupported('the format "n"')
    if (type === 'c') return laidOut('', character(asInt(value)), layout)
    const digits = inBase(value, type ?? 'd')
    if (grouping && type !== undefined && type !== 'd') throw unsupported('groups of digits in another base')
    return laidOut(signOf(value < 0n, sign), group(digits), layout)
  }
  if ((typeof value === 'number' || isInt(value)) && (type === 'f' || type === 'F' || type === '%')) {
    const float = asFloat(value) * (type === '%' ? 100 : 1)
    const [whole, behind] = fixed(float, Number(precision ?? 6)).split('.') as [string, string?]
    const body = group(whole) + (behind === undefined ? '' : `.${behind}`) + (type === '%' ? '%' : '')
    return laidOut(signOf(float < 0 || Object.is(float, -0), sign), body, layout)
  }
  throw unsupported(`the format "${specification}" of a ${typeName(value)}`)
}
