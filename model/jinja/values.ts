import { charge, isStrict, read } from './meter.js'
import { JinjaError, typeError, unsupported } from './errors.js'

/** A Python value: None is null, an int a bigint, a float a number. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | List
  | Tuple
  | Dict
  | Range
  | DictView
  | Iter
  | Undefined
  | Callable
  | Namespace
  | Markup

export class List {
  constructor(readonly items: readonly Value[]) {
    charge(items.length)
  }
}

export class Tuple {
  constructor(
    readonly items: readonly Value[],
    /** Names of a named tuple's items. */
    readonly names: readonly string[] = [],
  ) {
    charge(items.length)
  }
}

/** A dict. Keys keep the order in which they were added. */
export class Dict {
  private readonly entries = new Map<string, [key: Value, value: Value]>()

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.put(key, value)
  }

  /** Adds an entry. Only for creating a dict: templates cannot change one. */
  put(key: Value, value: Value): void {
    charge()
    const hash = hashOf(key)
    const there = this.entries.get(hash)
    if (there) there[1] = value
    else this.entries.set(hash, [key, value])
  }

  get(key: Value): Value | undefined {
    return this.entries.get(hashOf(key))?.[1]
  }

  has(key: Value): boolean {
    return this.entries.has(hashOf(key))
  }

  get size(): number {
    return this.entries.size
  }

  pairs(): (readonly [Value, Value])[] {
    charge(this.size)
    return [...this.entries.values()]
  }
}

export class Range {
  constructor(
    readonly start: bigint,
    readonly stop: bigint,
    readonly step: bigint,
  ) {}

  get length(): number {
    const { start, stop, step } = this
    const span = step > 0n ? stop - start : start - stop
    const size = step > 0n ? step : -step
    return span <= 0n ? 0 : Number((span + size - 1n) / size)
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step
  }
}

/** The result of a dict's `items()`, `keys()` or `values()`. */
export class DictView {
  constructor(
    readonly dict: Dict,
    readonly of: 'items' | 'keys' | 'values',
  ) {}

  list(): Value[] {
    const pairs = this.dict.pairs()
    return this.of === 'items'
      ? pairs.map((pair) => new Tuple(pair))
      : pairs.map(([key, value]) => (this.of === 'keys' ? key : value))
  }
}

/** An iterator, which can be used only once, such as a generator. */
export class Iter {
  constructor(
    readonly iterator: Iterator<Value>,
    /** Python's name of its type. */
    readonly type = 'generator',
  ) {}
}

/** An undefined value. */
export class Undefined {
  constructor(
    readonly hint: string,
    /** Whether it exists, but the sandbox does not allow it. */
    readonly unsafe = false,
  ) {}

  /** Said where it passes for nothing, unless that is an error. */
  passes(): void {
    if (isStrict()) throw this.fail()
  }

  fail(): JinjaError {
    return new JinjaError('python', `${this.unsafe ? 'SecurityError' : 'UndefinedError'}: ${this.hint}`)
  }
}

export type Arguments = readonly Value[]
export type KeywordArguments = ReadonlyMap<string, Value>

/** A function, a method or a macro. */
export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: Arguments, named: KeywordArguments) => Value,
    /** Finds its attributes. */
    readonly attributes: (name: string) => Value | undefined = () => undefined,
    /** For the variable `loop`, which has a length and can be iterated over. */
    readonly iterable?: { readonly length: () => number; readonly next: () => Iterator<Value> },
  ) {}
}

/** The result of `namespace()`: the only object whose attributes can be set. */
export class Namespace {
  readonly attributes = new Map<string, Value>()

  set(name: string, value: Value): void {
    if (name.startsWith('_'))
      throw new JinjaError('python', `SecurityError: a namespace cannot have the attribute '${name}'`)
    this.attributes.set(name, value)
  }
}

/** Text that has been escaped for HTML, or is marked as safe. */
export class Markup {
  constructor(readonly text: string) {}
}

/** Returns the value, which may be None, or the default if it is undefined. */
export const otherwise = (value: Value | undefined, none: () => Value): Value => (value === undefined ? none() : value)

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'float'
  if (typeof value === 'string') return 'str'
  if (value instanceof List) return 'list'
  if (value instanceof Tuple) return 'tuple'
  if (value instanceof Dict) return 'dict'
  if (value instanceof Range) return 'range'
  if (value instanceof DictView) return `dict_${value.of}`
  if (value instanceof Iter) return value.type
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return 'Namespace'
  if (value instanceof Markup) return 'Markup'
  return 'function'
}

/** Returns a key for maps: equal values have equal keys. */
export function hashOf(key: Value): string {
  if (typeof key === 'string') return `s${read(key)}`
  if (typeof key === 'boolean') return key ? 'n1' : 'n0'
  if (typeof key === 'bigint') return `n${key}`
  if (typeof key === 'number') return Number.isInteger(key) ? `n${BigInt(key)}` : `n${key}`
  if (key === null) return 'None'
  if (key instanceof Undefined) {
    key.passes()
    return 'Undefined'
  }
  if (key instanceof Tuple) return `(${key.items.map((item) => `${hashOf(item).length}:${hashOf(item)}`).join()})`
  if (key instanceof List || key instanceof Dict) throw typeError(`unhashable type: '${typeName(key)}'`)
  throw unsupported(`a ${typeName(key)} as a key`)
}

export function truth(value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return value !== ''
  if (value instanceof Undefined) value.passes()
  if (value === null || value instanceof Undefined) return false
  if (typeof value === 'bigint') return value !== 0n
  // NaN is true.
  if (typeof value === 'number') return value !== 0
  if (value instanceof List || value instanceof Tuple) return value.items.length > 0
  if (value instanceof Dict) return value.size > 0
  if (value instanceof Range) return value.length > 0
  if (value instanceof DictView) return value.dict.size > 0
  if (value instanceof Markup) return value.text !== ''
  if (value instanceof Callable && value.iterable) return value.iterable.length() > 0
  return true
}

/** Returns an iterator over the items of a value; undefined if it is not iterable. */
export function iterated(value: Value): Iterator<Value> | undefined {
  if (typeof value === 'string') return read(value)[Symbol.iterator]()
  if (value instanceof List || value instanceof Tuple) return value.items[Symbol.iterator]()
  if (value instanceof Dict)
    return value
      .pairs()
      .map(([key]) => key)
      [Symbol.iterator]()
  if (value instanceof DictView) return value.list()[Symbol.iterator]()
  if (value instanceof Iter) return value.iterator
  if (value instanceof Undefined) {
    value.passes()
    return [][Symbol.iterator]()
  }
  if (value instanceof Range) return numbersOf(value)
  if (value instanceof Callable) return value.iterable?.next()
  if (value instanceof Markup) throw unsupported('iterating over escaped text')
  return undefined
}

function* numbersOf(range: Range): Generator<Value> {
  for (let i = 0; i < range.length; i++) yield range.at(i)
}

/** Returns an iterator over the items of a value. @throws JinjaError if it is not iterable */
export function iterate(value: Value): Iterator<Value> {
  const iterator = iterated(value)
  if (!iterator) throw typeError(`'${typeName(value)}' object is not iterable`)
  return iterator
}

export function listOf(value: Value): Value[] {
  const iterator = iterate(value)
  const items: Value[] = []
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    charge()
    items.push(next.value)
  }
  return items
}

/** Whether a value is an int, which includes True and False. */
export const isInt = (value: Value): value is bigint | boolean =>
  typeof value === 'bigint' || typeof value === 'boolean'

export const isNumber = (value: Value): value is bigint | boolean | number => isInt(value) || typeof value === 'number'
