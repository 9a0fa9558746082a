import { typeError, unsupported, valueError } from './errors.js'
import { formatBraces } from './braces.js'
import { charge } from './meter.js'
import { bind } from './parameters.js'
import { equal, itemAt } from './operators.js'
import { asInt } from './numbers.js'
import { stringMethod } from './string-methods.js'
import {
  Callable,
  Dict,
  DictView,
  otherwise,
  isInt,
  List,
  listOf,
  Markup,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js'
import { entryOf } from '../../errors/foreign.js'

// Attributes that every Python object has. The sandbox does not allow them.
const internal = new Set(
  'class delattr dir doc eq format ge getattribute getstate gt hash init init_subclass le lt ne new reduce reduce_ex repr setattr sizeof str subclasshook contains getitem len iter add mul rmul reversed class_getitem or ror ior setitem delitem iadd imul mod rmod getnewargs abs bool call code globals self func name qualname closure defaults kwdefaults annotations dict module wrapped'
    .split(' ')
    .map((name) => `__${name}__`),
)

const mutating: Readonly<Record<string, readonly string[]>> = {
  list: 'append clear pop reverse insert sort extend remove'.split(' '),
  dict: 'clear pop popitem setdefault update'.split(' '),
}

const others: Readonly<Record<string, readonly string[]>> = {
  int: 'as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes'.split(' '),
  float: 'as_integer_ratio conjugate fromhex hex imag is_integer real'.split(' '),
  range: 'count index start step stop'.split(' '),
  dict_keys: ['isdisjoint', 'mapping'],
  dict_items: ['isdisjoint', 'mapping'],
  dict_values: ['mapping'],
  generator: 'close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw'.split(' '),
}

/** What Python's `getattr` finds: methods, and the attributes of a few objects. */
function attribute(object: Value, name: string): Value | undefined {
  if (object instanceof Namespace) return object.attributes.get(name)
  if (object instanceof Callable) return object.attributes(name)
  const type = typeName(object)
  if (internal.has(name) || entryOf(mutating, type)?.includes(name))
    return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`, true)
  if (typeof object === 'string')
    return name === 'format'
      ? new Callable(name, (args, named) => formatBraces(object, args, named, { getAttribute, getItem }))
      : stringMethod(object, name)
  if (object instanceof Dict) return dictMethod(object, name)
  if (object instanceof List || object instanceof Tuple) return sequenceAttribute(object, name)
  if (object instanceof Markup) throw unsupported(`.${name} of escaped text`)
  if (entryOf(others, type === 'bool' ? 'int' : type)?.includes(name)) throw unsupported(`${type}.${name}`)
  return undefined
}

/** `object.name`: looks for the attribute first, then for the item. */
export function getAttribute(object: Value, name: string): Value {
  if (object instanceof Undefined) throw object.fail()
  const found = attribute(object, name)
  if (found !== undefined) return found
  return otherwise(object instanceof Dict ? object.get(name) : undefined, () => missing(object, name))
}

/** `object[key]`: looks for the item first, then for the attribute. */
export function getItem(object: Value, key: Value): Value {
  if (object instanceof Undefined) throw object.fail()
  const found = item(object, key)
  if (found !== undefined) return found
  return otherwise(typeof key === 'string' ? attribute(object, key) : undefined, () => missing(object, key))
}

function item(object: Value, key: Value): Value | undefined {
  if (object instanceof Dict) return key instanceof List || key instanceof Dict ? undefined : object.get(key)
  if (!isInt(key)) return undefined
  if (object instanceof Markup) throw unsupported('a character of escaped text')
  if (typeof object === 'string' || object instanceof List || object instanceof Tuple || object instanceof Range)
    return itemAt(object, asInt(key))
  return undefined
}

function missing(object: Value, key: Value): Undefined {
  const name = typeof key === 'string' ? `'${key}'` : String(typeof key === 'object' ? typeName(key) : key)
  if (
    object instanceof List ||
    object instanceof Tuple ||
    object instanceof Dict ||
    typeof object === 'string' ||
    typeof key === 'string'
  )
    return new Undefined(
      typeof key === 'string'
        ? `'${typeName(object)} object' has no attribute ${name}`
        : `${typeName(object)} object has no element ${name}`,
    )
  return new Undefined(`${typeName(object)} object has no element ${name}`)
}

/** Looks only for the attribute, as the filter `attr` does. */
export function onlyAttribute(object: Value, name: string): Value {
  if (object instanceof Undefined) throw object.fail()
  return otherwise(attribute(object, name), () => missing(object, name))
}

function dictMethod(dict: Dict, name: string): Value | undefined {
  const made = (spec: string, work: (given: Readonly<Record<string, Value | undefined>>) => Value) =>
    new Callable(name, (args, named) => work(bind(name, spec, args, named)))
  switch (name) {
    case 'get':
      return made('key, default?, /', ({ key, default: none = null }) => otherwise(dict.get(key!), () => none))
    case 'items':
    case 'keys':
    case 'values':
      return made('', () => new DictView(dict, name))
    case 'copy':
      return made('', () => new Dict(dict.pairs()))
    case 'fromkeys':
      return made(
        'iterable, value?, /',
        ({ iterable, value }) => new Dict(listOf(iterable!).map((key) => [key, value ?? null])),
      )
    default:
      return undefined
  }
}

function sequenceAttribute(sequence: List | Tuple, name: string): Value | undefined {
  const at = sequence instanceof Tuple ? sequence.names.indexOf(name) : -1
  if (at >= 0) return sequence.items[at]
  const { items } = sequence
  switch (name) {
    case 'count':
      return new Callable(name, (args, named) => {
        const { value } = bind(name, 'value, /', args, named)
        return BigInt(items.filter((item) => equal(item, value!)).length)
      })
    case 'index':
      return new Callable(name, (args, named) => {
        const { value, start, stop } = bind(name, 'value, start?, stop?, /', args, named)
        const place = (given: Value | undefined, none: number) => {
          if (given === undefined) return none
          if (!isInt(given)) throw typeError('slice indices must be integers')
          const number = Number(given)
          return Math.max(0, number < 0 ? number + items.length : number)
        }
        const [from, to] = [place(start, 0), place(stop, items.length)]
        const found = items.findIndex((item, i) => i >= from && i < to && equal(item, value!))
        if (found < 0) throw valueError('the value is not in the list')
        return BigInt(found)
      })
    case 'copy':
      if (sequence instanceof Tuple) return undefined
      return new Callable(name, (args, named) => {
        bind(name, '', args, named)
        charge(items.length)
        return new List(items)
      })
    default:
      return undefined
  }
}
