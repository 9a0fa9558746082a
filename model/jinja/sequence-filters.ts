import { JinjaError, typeError } from './errors.js'
import { getItem } from './attributes.js'
import type { Filter } from './filter.js'
import { charge, requireLength } from './meter.js'
import { compare, equal, operate, ordered, reversed } from './operators.js'
import { needInt } from './parameters.js'
import { str } from './repr.js'
import { applyTest } from './tests.js'
import {
  Dict,
  DictView,
  hashOf,
  iterate,
  Iter,
  List,
  listOf,
  truth,
  Tuple,
  typeName,
  Undefined,
  type Arguments,
  type KeywordArguments,
  type Value,
} from './values.js'

type Apply = (name: string, value: Value, args: Arguments, named: KeywordArguments) => Value
type Given = Readonly<Record<string, Value | undefined>>

const argumentError = (message: string) => new JinjaError('python', `FilterArgumentError: ${message}`)
const lowered = (value: Value): Value => (typeof value === 'string' ? value.toLowerCase() : value)

/** Returns a function that finds an attribute by a dotted path, in which numbers are indices. */
function getter(attribute: Value | undefined, otherwise: Value = null): (item: Value) => Value {
  const steps: Value[] =
    attribute === undefined || attribute === null
      ? []
      : typeof attribute === 'string'
        ? attribute.split('.').map((step) => (/^\d+$/.test(step) ? BigInt(step) : step))
        : [attribute]
  return (item) => {
    let value = item
    for (const step of steps) {
      value = getItem(value, step)
      if (otherwise !== null && value instanceof Undefined) value = otherwise
    }
    return value
  }
}

/** Creates items only when they are requested. */
const lazily = (make: () => Generator<Value>): Iter => new Iter(make())

function* each(value: Value): Generator<Value> {
  const iterator = iterate(value)
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    charge()
    yield next.value
  }
}

const sorted = <T>(items: readonly T[], key: (item: T) => Value, backwards: boolean): T[] => {
  const keyed = items.map((item) => [key(item), item] as const)
  keyed.sort(([a], [b]) => (backwards ? compare(b, a) : compare(a, b)))
  return keyed.map(([, item]) => item)
}

const cased = ({ case_sensitive: sensitive }: Given) => (truth(sensitive ?? false) ? (value: Value) => value : lowered)

const extreme =
  (operator: '<' | '>'): Filter[1] =>
  (value, given) => {
    const [find, fold] = [getter(given.attribute), cased(given)]
    let best: readonly [Value, Value] | undefined
    for (const item of each(value)) {
      const key = fold(find(item))
      if (!best || ordered(operator, key, best[0])) best = [key, item]
    }
    return best ? best[1] : new Undefined('No aggregated item, sequence was empty.')
  }

function groupBy(value: Value, given: Given): Value {
  const [find, fold] = [getter(given.attribute, given.default), cased(given)]
  const key = (item: Value) => fold(find(item))
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sorted(listOf(value), key, false)) {
    const itemKey = key(item)
    const last = groups.at(-1)
    if (last && equal(last.key, itemKey)) last.items.push(item)
    else groups.push({ key: itemKey, items: [item] })
  }
  return new List(groups.map(({ items }) => new Tuple([find(items[0]!), new List(items)], ['grouper', 'list'])))
}

function* slices(value: Value, count: number, fill: Value): Generator<Value> {
  const items = listOf(value)
  if (count === 0) throw new JinjaError('python', 'ZeroDivisionError: integer division or modulo by zero')
  const [size, extra] = [Math.floor(items.length / count), ((items.length % count) + count) % count]
  let offset = 0
  for (let i = 0; i < count; i++) {
    const from = offset + i * size
    if (i < extra) offset++
    const part = items.slice(from, offset + (i + 1) * size)
    if (fill !== null && i >= extra) part.push(fill)
    yield new List(part)
  }
}

function* batches(value: Value, size: number, fill: Value): Generator<Value> {
  let batch: Value[] = []
  for (const item of each(value)) {
    if (batch.length === size) {
      yield new List(batch)
      batch = []
    }
    batch.push(item)
  }
  if (batch.length === 0) return
  if (fill !== null && batch.length < size) {
    requireLength(size)
    charge(size)
    while (batch.length < size) batch.push(fill)
  }
  yield new List(batch)
}

/** `select` and `reject`, also for an attribute. */
const choosing =
  (wanted: boolean, byAttribute: boolean): Filter[1] =>
  (value, { args, named }) => {
    const all = (args as Tuple).items
    const keywords = keywordsOf(named as Dict)
    return lazily(function* () {
      if (!truth(value)) return
      if (byAttribute && all.length === 0) throw argumentError('Missing parameter for attribute name')
      const find = byAttribute ? getter(all[0]) : (item: Value) => item
      const [test, ...rest] = all.slice(byAttribute ? 1 : 0)
      for (const item of each(value)) {
        const found = find(item)
        const holds = test === undefined ? truth(found) : truth(applyTest(str(test), found, rest, keywords))
        if (holds === wanted) yield item
      }
    })
  }

const keywordsOf = (named: Dict): Map<string, Value> => new Map(named.pairs() as readonly (readonly [string, Value])[])

const mapping =
  (apply: Apply): Filter[1] =>
  (value, { args, named }) => {
    const [name, ...rest] = (args as Tuple).items
    const keywords = keywordsOf(named as Dict)
    return lazily(function* () {
      if (!truth(value)) return
      let work: (item: Value) => Value
      if (name === undefined) {
        if (!keywords.has('attribute')) throw argumentError('map requires a filter argument')
        const other = [...keywords.keys()].find((key) => key !== 'attribute' && key !== 'default')
        if (other !== undefined) throw argumentError(`Unexpected keyword argument '${other}'`)
        work = getter(keywords.get('attribute'), keywords.get('default'))
      } else work = (item) => apply(str(name), item, rest, keywords)
      for (const item of each(value)) yield work(item)
    })
  }

/** Filters of lists and other sequences. */
export const sequenceFilters = (apply: Apply): Readonly<Record<string, Filter>> => ({
  batch: [
    'linecount, fill_with?',
    (value, { linecount, fill_with: fill = null }) => lazily(() => batches(value, needInt(linecount, 0), fill)),
  ],
  dictsort: [
    'case_sensitive?, by?, reverse?',
    (value, given) => {
      const { by = 'key', reverse = false } = given
      if (by !== 'key' && by !== 'value') throw argumentError('You can only sort by either "key" or "value"')
      if (value instanceof Undefined) throw value.fail()
      if (!(value instanceof Dict)) throw typeError(`'${typeName(value)}' object has no attribute 'items'`)
      const fold = cased(given)
      const pairs = sorted(value.pairs(), (pair) => fold(pair[by === 'key' ? 0 : 1]), truth(reverse))
      return new List(pairs.map((pair) => new Tuple(pair)))
    },
  ],
  first: [
    '',
    (value) => {
      const next = iterate(value).next()
      return next.done ? new Undefined('No first item, sequence was empty.') : next.value
    },
  ],
  groupby: ['attribute, default?, case_sensitive?', groupBy],
  items: [
    '',
    (value) =>
      lazily(function* () {
        if (value instanceof Undefined) return
        if (!(value instanceof Dict)) throw typeError('Can only get item pairs from a mapping.')
        yield* new DictView(value, 'items').list()
      }),
  ],
  join: [
    'd?, attribute?',
    (value, { d = '', attribute }) => {
      const [between, find] = [str(d), getter(attribute)]
      const parts: string[] = []
      let size = 0
      for (const item of each(value)) {
        const text = str(find(item))
        requireLength((size += text.length + between.length))
        parts.push(text)
      }
      return parts.join(between)
    },
  ],
  last: ['', (value) => reversed(value)[0] ?? new Undefined('No last item, sequence was empty.')],
  list: ['', (value) => new List(listOf(value))],
  map: ['...', mapping(apply)],
  max: ['case_sensitive?, attribute?', extreme('>')],
  min: ['case_sensitive?, attribute?', extreme('<')],
  reject: ['...', choosing(false, false)],
  rejectattr: ['...', choosing(false, true)],
  reverse: [
    '',
    (value) => {
      if (typeof value === 'string') return reversed(value).map(str).join('')
      if (value instanceof Iter) return new List(listOf(value).reverse())
      return new Iter(reversed(value)[Symbol.iterator](), 'list_reverseiterator')
    },
  ],
  select: ['...', choosing(true, false)],
  selectattr: ['...', choosing(true, true)],
  slice: [
    'slices, fill_with?',
    (value, { slices: count, fill_with: fill = null }) => lazily(() => slices(value, needInt(count, 0), fill)),
  ],
  sort: [
    'reverse?, case_sensitive?, attribute?',
    (value, given) => {
      const { attribute, reverse = false } = given
      const paths: (Value | undefined)[] = typeof attribute === 'string' ? attribute.split(',') : [attribute]
      const [finds, fold] = [paths.map((path) => getter(path)), cased(given)]
      const key = (item: Value) => new List(finds.map((find) => fold(find(item))))
      return new List(sorted(listOf(value), key, truth(reverse)))
    },
  ],
  sum: [
    'attribute?, start?',
    (value, { attribute, start = 0n }) => {
      if (typeof start === 'string') throw typeError("sum() can't sum strings [use ''.join(seq) instead]")
      const find = getter(attribute)
      let total: Value = start
      for (const item of each(value)) {
        total = operate('+', total, find(item))
      }
      return total
    },
  ],
  unique: [
    'case_sensitive?, attribute?',
    (value, given) =>
      lazily(function* () {
        const [find, fold] = [getter(given.attribute), cased(given)]
        const seen = new Set<string>()
        for (const item of each(value)) {
          const hash = hashOf(fold(find(item)))
          if (seen.has(hash)) continue
          seen.add(hash)
          yield item
        }
      }),
  ],
})
