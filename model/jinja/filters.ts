import { JinjaError, pythonError, typeError, unsupported, valueError } from './errors.js'
import type { Filter, Given } from './filter.js'
import { refusedFilters } from './filter-names.js'
import { onlyAttribute } from './attributes.js'
import { dumpJson, indentOf, separatorsOf } from './json.js'
import { charge, read, requireLength } from './meter.js'
import { arithmetic, asFloat, asInt, parseFloatText, parseInt10, round } from './numbers.js'
import { len, operate } from './operators.js'
import { bind, needInt, needText } from './parameters.js'
import { formatPercent } from './percent.js'
import { str } from './repr.js'
import { sequenceFilters } from './sequence-filters.js'
import { capitalize, replace, stringMethod } from './string-methods.js'
import { blank, part, splitAt, splitLines, strip } from './text.js'
import {
  Dict,
  isInt,
  isNumber,
  Markup,
  truth,
  Tuple,
  typeName,
  Undefined,
  type Arguments,
  type KeywordArguments,
  type Value,
} from './values.js'
import { entryOf } from '../../errors/foreign.js'

/** Converts a value with `str`, for filters that return text. */
const soft = (value: Value): string => {
  if (value instanceof Markup) throw unsupported('a filter of escaped text')
  return read(str(value))
}

const escaped = (text: string): string =>
  text.replace(/[&<>'"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' })[char]!)

function toInt(value: Value, otherwise: Value, base: number): Value {
  if (value instanceof Undefined) throw value.fail()
  try {
    if (typeof value === 'string') return parseInt10(value, base)
    if (isInt(value)) return asInt(value)
    if (typeof value === 'number') return whole(value)
  } catch (error) {
    if (!isPythons(error, 'ValueError')) throw error
  }
  try {
    return whole(typeof value === 'string' ? parseFloatText(value) : typeof value === 'number' ? value : notNumber())
  } catch (error) {
    if (!isPythons(error, 'ValueError') && !isPythons(error, 'OverflowError')) throw error
    return otherwise
  }
}

const notNumber = (): never => {
  throw valueError('not a number')
}
const isPythons = (error: unknown, type: string): boolean =>
  error instanceof JinjaError && error.said.startsWith(`${type}:`)
const whole = (value: number): bigint => {
  if (Number.isNaN(value)) throw valueError('cannot convert float NaN to integer')
  // For infinity, Python raises another error, which the filter `int` does not catch at first.
  if (!Number.isFinite(value)) throw new JinjaError('python', 'OverflowError: cannot convert float infinity to integer')
  return BigInt(Math.trunc(value))
}

function indent(value: Value, { width, first, blank: empty }: Given): Value {
  const by = typeof width === 'string' ? width : ' '.repeat(Math.max(0, needInt(width, 4)))
  if (value instanceof Undefined) throw value.fail()
  const lines = splitLines(needText(value, 'what is indented') + '\n', false)
  requireLength(lines.length * by.length)
  charge(lines.length)
  const all = truth(empty ?? false)
  const rest = lines.map((line, i) => (i > 0 && (line !== '' || all) ? by + line : line)).join('\n')
  return truth(first ?? false) ? by + rest : rest
}

function truncate(value: Value, { length, killwords, end, leeway }: Given): Value {
  const [most, more, tail] = [
    needInt(length, 255),
    needInt(leeway === null ? undefined : leeway, 5),
    end === undefined ? '...' : needText(end, 'end'),
  ]
  if (most < len(tail) || more < 0)
    throw new JinjaError('python', `AssertionError: expected length >= ${len(tail)}, got ${most}`)
  if (len(value) <= most + more) return value
  const text = part(needText(value, 'what is truncated'), 0, most - len(tail))
  return (truth(killwords ?? false) ? text : splitAt(text, ' ', 1, true)[0]!) + tail
}

const titleBreak = new RegExp(`([-${blank}({[<]+)`)

function percentEncoded(text: string): string {
  try {
    return encodeURIComponent(text)
  } catch {
    // Half of a character, which has no bytes.
    throw pythonError('UnicodeEncodeError', 'surrogates not allowed')
  }
}

const textFilters: Readonly<Record<string, Filter>> = {
  capitalize: ['', (value) => capitalize(soft(value))],
  center: ['width?', (value, { width = 80n }) => stringMethod(soft(value), 'center')!.call([width], new Map())],
  escape: ['', (value) => (value instanceof Markup ? value : new Markup(escaped(read(str(value)))))],
  forceescape: ['', (value) => new Markup(escaped(read(str(value))))],
  indent: ['width?, first?, blank?', indent],
  lower: ['', (value) => soft(value).toLowerCase()],
  replace: [
    'old, new, count?',
    (value, { old, new: by, count }) =>
      replace(read(str(value)), str(old!), str(by!), count === undefined || count === null ? -1 : needInt(count, -1)),
  ],
  safe: ['', (value) => new Markup(str(value))],
  string: ['', (value) => (value instanceof Markup ? value : str(value))],
  title: [
    '',
    (value) =>
      soft(value)
        .split(titleBreak)
        .map((item) => {
          const [first = '', ...rest] = item
          return first.toUpperCase() + rest.join('').toLowerCase()
        })
        .join(''),
  ],
  trim: [
    'chars?',
    (value, { chars }) =>
      strip(soft(value), chars === undefined || chars === null ? undefined : needText(chars, 'strip arg'), 'both'),
  ],
  truncate: ['length?, killwords?, end?, leeway?', truncate],
  upper: ['', (value) => soft(value).toUpperCase()],
  urlencode: [
    '',
    (value) => {
      if (typeof value !== 'string' && !isNumber(value)) throw unsupported(`urlencode of a ${typeName(value)}`)
      return percentEncoded(read(str(value)))
        .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
        .replace(/%2F/g, '/')
    },
  ],
  wordcount: ['', (value) => BigInt(soft(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)],
}

const valueFilters: Readonly<Record<string, Filter>> = {
  abs: [
    '',
    (value) => {
      if (value instanceof Undefined) throw value.fail()
      if (!isNumber(value)) throw typeError(`bad operand type for abs(): '${typeName(value)}'`)
      if (typeof value === 'number') return Math.abs(value)
      return asInt(value) < 0n ? -asInt(value) : asInt(value)
    },
  ],
  attr: ['name', (value, { name }) => onlyAttribute(value, needText(name, 'name'))],
  default: [
    'default_value?, boolean?',
    (value, { default_value: otherwise = '', boolean }) =>
      value instanceof Undefined || (truth(boolean ?? false) && !truth(value)) ? otherwise : value,
  ],
  float: [
    'default?',
    (value, { default: otherwise = 0 }) => {
      if (value instanceof Undefined) throw value.fail()
      try {
        if (typeof value === 'string') return parseFloatText(value)
      } catch (error) {
        if (!isPythons(error, 'ValueError')) throw error
      }
      return isNumber(value) ? asFloat(value) : otherwise
    },
  ],
  int: ['default?, base?', (value, { default: otherwise = 0n, base }) => toInt(value, otherwise, needInt(base, 10))],
  length: ['', (value) => BigInt(len(value))],
  round: [
    'precision?, method?',
    (value, { precision, method = 'common' }) => {
      if (method !== 'common' && method !== 'ceil' && method !== 'floor')
        throw new JinjaError('python', 'FilterArgumentError: method must be common, ceil or floor')
      if (value instanceof Undefined) throw value.fail()
      if (!isNumber(value)) throw typeError(`type ${typeName(value)} doesn't define __round__ method`)
      const digits = needInt(precision, 0)
      if (method === 'common') return round(value, digits)
      const power = arithmetic('**', 10n, BigInt(digits))
      const scaled = operate('*', value, power)
      const rounded = isInt(scaled)
        ? scaled
        : whole(method === 'ceil' ? Math.ceil(scaled as number) : Math.floor(scaled as number))
      return arithmetic('/', rounded, power)
    },
  ],
  tojson: [
    'ensure_ascii?, indent?, separators?, sort_keys?',
    (value, given) =>
      dumpJson(value, {
        ascii: truth(given.ensure_ascii ?? false),
        indent: indentOf(given.indent ?? null),
        separators: separatorsOf(given.separators ?? null),
        sortKeys: truth(given.sort_keys ?? false),
      }),
  ],
}

const all: Readonly<Record<string, Filter>> = {
  ...textFilters,
  ...valueFilters,
  ...sequenceFilters(applyFilter),
  count: valueFilters.length!,
  d: valueFilters.default!,
  e: textFilters.escape!,
}

/** Applies a filter by its name.
 *  @throws JinjaError */
export function applyFilter(name: string, value: Value, args: Arguments, named: KeywordArguments): Value {
  charge()
  if (name === 'format') {
    if (args.length > 0 && named.size > 0)
      throw new JinjaError(
        'python',
        "FilterArgumentError: can't handle positional and keyword arguments at the same time",
      )
    return formatPercent(soft(value), named.size > 0 ? new Dict(named) : new Tuple(args))
  }
  const filter = entryOf(all, name)
  if (filter)
    return filter[1](
      value,
      filter[0].startsWith('...')
        ? { args: new Tuple(args), named: new Dict(named) }
        : bind(name, filter[0], args, named),
    )
  if (refusedFilters.has(name)) throw unsupported(`the filter "${name}"`)
  throw new JinjaError('python', `TemplateRuntimeError: No filter named '${name}' found.`)
}
