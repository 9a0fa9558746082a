import { typeError, unsupported, valueError } from './errors.js'
import { charge, nested, read, requireLength } from './meter.js'
import { arithmetic, asInt } from './numbers.js'
import { formatPercent } from './percent.js'
import { compareText, length, points } from './text.js'
import {
  Callable,
  Dict,
  DictView,
  isInt,
  isNumber,
  iterate,
  iterated,
  Iter,
  List,
  Markup,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js'

/** Python's `==`. */
export function equal(a: Value, b: Value): boolean {
  charge()
  if (typeof a === 'string' && typeof b === 'string') return a === b
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)]
    // `===` is false for a bigint and a number of the same value.
    return x <= y && x >= y
  }
  if (a instanceof Undefined || b instanceof Undefined) {
    for (const side of [a, b]) if (side instanceof Undefined) side.passes()
    return a instanceof Undefined && b instanceof Undefined
  }
  if ((a instanceof List && b instanceof List) || (a instanceof Tuple && b instanceof Tuple))
    return a.items.length === b.items.length && nested(() => a.items.every((item, i) => same(item, b.items[i]!)))
  if (a instanceof Dict && b instanceof Dict)
    return a.size === b.size && nested(() => a.pairs().every(([key, item]) => b.has(key) && same(item, b.get(key)!)))
  if (a instanceof Range && b instanceof Range) {
    if (a.length !== b.length || a.length === 0) return a.length === b.length
    return a.start === b.start && (a.length === 1 || a.step === b.step)
  }
  if (a instanceof Markup || b instanceof Markup || (a instanceof DictView && b instanceof DictView))
    throw unsupported(`a ${typeName(a)} compared with a ${typeName(b)}`)
  return a === b
}

/** Equality of items in a container, where an object always equals itself. */
const same = (a: Value, b: Value): boolean => (typeof a === 'object' && a === b) || equal(a, b)

// JavaScript compares a bigint with a number as exactly as Python compares an int with a float.
const numeric = (value: bigint | boolean | number): bigint | number =>
  typeof value === 'boolean' ? BigInt(value) : value

/** Python's `<`, `<=`, `>` and `>=`. */
export function ordered(operator: '<' | '<=' | '>' | '>=', a: Value, b: Value): boolean {
  charge()
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)]
    return operator === '<' ? x < y : operator === '<=' ? x <= y : operator === '>' ? x > y : x >= y
  }
  if (typeof a === 'string' && typeof b === 'string') return holds(operator, compareText(read(a), read(b)))
  if (a instanceof Undefined) throw a.fail()
  if (b instanceof Undefined) throw b.fail()
  if ((a instanceof List && b instanceof List) || (a instanceof Tuple && b instanceof Tuple)) {
    const at = a.items.findIndex((item, i) => i >= b.items.length || !same(item, b.items[i]!))
    if (at < 0 || at >= b.items.length) return holds(operator, a.items.length - b.items.length)
    return nested(() => ordered(operator, a.items[at]!, b.items[at]!))
  }
  if (a instanceof Markup || b instanceof Markup || (a instanceof DictView && b instanceof DictView))
    throw unsupported(`a ${typeName(a)} compared with a ${typeName(b)}`)
  throw typeError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`)
}

const holds = (operator: '<' | '<=' | '>' | '>=', difference: number): boolean =>
  operator === '<'
    ? difference < 0
    : operator === '<='
      ? difference <= 0
      : operator === '>'
        ? difference > 0
        : difference >= 0

/** How `sorted` orders two values. */
export const compare = (a: Value, b: Value): number => (ordered('<', a, b) ? -1 : ordered('<', b, a) ? 1 : 0)

/** Python's `in`. */
export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (item instanceof Markup) throw unsupported('escaped text looked for in a string')
    if (typeof item !== 'string')
      throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
    return read(container).includes(item)
  }
  if (container instanceof Dict) return container.has(item)
  if (container instanceof DictView && container.of === 'keys') return container.dict.has(item)
  if (container instanceof Markup) throw unsupported('a search in escaped text')
  if (!iterated(container)) throw typeError(`argument of type '${typeName(container)}' is not iterable`)
  const iterator = iterate(container)
  for (let next = iterator.next(); !next.done; next = iterator.next()) if (same(next.value, item)) return true
  return false
}

/** Python's `+`, `-`, `*`, `/`, `//`, `%` and `**`. */
export function operate(operator: string, left: Value, right: Value): Value {
  if (isNumber(left) && isNumber(right)) return arithmetic(operator, left, right)
  if (left instanceof Markup || right instanceof Markup) throw unsupported(`${operator} of escaped text`)
  if (operator === '%' && typeof left === 'string') return formatPercent(left, right)
  if (left instanceof Undefined) throw left.fail()
  if (right instanceof Undefined) throw right.fail()
  if (operator === '+') {
    if (typeof left === 'string' && typeof right === 'string') {
      requireLength(left.length + right.length)
      return left + right
    }
    if (left instanceof List && right instanceof List) return joined(left.items, right.items, (all) => new List(all))
    if (left instanceof Tuple && right instanceof Tuple) return joined(left.items, right.items, (all) => new Tuple(all))
  }
  if (operator === '*') {
    if (isInt(right)) return repeated(left, asInt(right))
    if (isInt(left)) return repeated(right, asInt(left))
  }
  if (operator === '-' && left instanceof DictView && right instanceof DictView) throw unsupported('a set of keys')
  return arithmetic(operator, left, right)
}

function joined<T>(left: readonly Value[], right: readonly Value[], make: (all: Value[]) => T): T {
  charge(left.length + right.length)
  return make([...left, ...right])
}

function repeated(value: Value, times: bigint): Value {
  const count = times < 0n ? 0n : times
  if (typeof value === 'string') {
    requireLength(BigInt(value.length) * count)
    return value.repeat(Number(count))
  }
  if (value instanceof List || value instanceof Tuple) {
    requireLength(BigInt(value.items.length) * count)
    charge(value.items.length * Number(count))
    const all = Array.from(
      { length: value.items.length * Number(count) },
      (_, i) => value.items[i % value.items.length]!,
    )
    return value instanceof List ? new List(all) : new Tuple(all)
  }
  throw typeError(`can't multiply sequence by non-int of type '${typeName(value)}'`)
}

/** Python's `len`. */
export function len(value: Value): number {
  if (typeof value === 'string') return length(value)
  if (value instanceof List || value instanceof Tuple) return value.items.length
  if (value instanceof Dict) return value.size
  if (value instanceof DictView) return value.dict.size
  if (value instanceof Range) return value.length
  if (value instanceof Undefined) {
    value.passes()
    return 0
  }
  if (value instanceof Markup) return length(value.text)
  if (value instanceof Callable && value.iterable) return value.iterable.length()
  throw typeError(`object of type '${typeName(value)}' has no len()`)
}

/** Returns an item by its index, negative from the end; undefined if there is none. */
export function itemAt(value: Value, index: bigint): Value | undefined {
  const size = len(value)
  const at = index < 0n ? index + BigInt(size) : index
  if (at < 0n || at >= BigInt(size)) return undefined
  const i = Number(at)
  if (typeof value === 'string') return size === value.length ? value[i] : points(value)[i]
  if (value instanceof List || value instanceof Tuple) return value.items[i]
  return value instanceof Range ? value.at(i) : undefined
}

/** Python's `value[start:stop:step]`. */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value {
  if (value instanceof Undefined) throw value.fail()
  if (value instanceof Markup) throw unsupported('a part of escaped text')
  const sliceable =
    typeof value === 'string' || value instanceof List || value instanceof Tuple || value instanceof Range
  if (!sliceable)
    throw typeError(
      value instanceof Dict ? "unhashable type: 'slice'" : `'${typeName(value)}' object is not subscriptable`,
    )
  for (const given of [start, stop, step])
    if (given !== null && !isInt(given)) throw typeError('slice indices must be integers or None')
  const by = step === null ? 1n : asInt(step as bigint)
  if (by === 0n) throw valueError('slice step cannot be zero')
  const size = BigInt(len(value))
  const bound = (given: Value, none: bigint): bigint => {
    if (given === null) return none
    const at = asInt(given as bigint) < 0n ? asInt(given as bigint) + size : asInt(given as bigint)
    const [least, most] = by > 0n ? [0n, size] : [-1n, size - 1n]
    return at < least ? least : at > most ? most : at
  }
  const range = new Range(bound(start, by > 0n ? 0n : size - 1n), bound(stop, by > 0n ? size : -1n), by)
  if (value instanceof Range)
    return new Range(value.start + range.start * value.step, value.start + range.stop * value.step, value.step * by)
  const count = range.length
  charge(count)
  if (typeof value === 'string') {
    const all: ArrayLike<string> = Number(size) === value.length ? value : points(value)
    if (by === 1n && typeof all === 'string') return all.slice(Number(range.start), Number(range.start) + count)
    return Array.from({ length: count }, (_, i) => all[Number(range.at(i))]!).join('')
  }
  const items = Array.from({ length: count }, (_, i) => value.items[Number(range.at(i))]!)
  return value instanceof List ? new List(items) : new Tuple(items)
}

/** Returns the items from the last to the first. @throws JinjaError for values that Python's `reversed` refuses */
export function reversed(value: Value): Value[] {
  if (value instanceof Undefined) {
    value.passes()
    return []
  }
  if (typeof value === 'string') return points(value).reverse()
  if (
    value instanceof Dict ||
    value instanceof DictView ||
    value instanceof Range ||
    value instanceof List ||
    value instanceof Tuple
  ) {
    const iterator = iterate(value)
    const all: Value[] = []
    for (let next = iterator.next(); !next.done; next = iterator.next()) all.push(next.value)
    charge(all.length)
    return all.reverse()
  }
  throw typeError(`'${typeName(value)}' object is not reversible`)
}

/** Python's `is`. @throws JinjaError for values for which its result depends on the implementation */
export function identical(a: Value, b: Value): boolean {
  if (typeName(a) !== typeName(b)) return false
  if (
    a === null ||
    typeof a === 'boolean' ||
    a instanceof List ||
    a instanceof Dict ||
    a instanceof Iter ||
    a instanceof Namespace
  )
    return a === b
  throw unsupported(`"sameas" for a ${typeName(a)}`)
}
