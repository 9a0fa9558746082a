import { JinjaError, pythonError, typeError, unsupported, valueError } from './errors.js'
import { asInt } from './numbers.js'
import { bind, needText } from './parameters.js'
import { str } from './repr.js'
import { strftime } from './strftime.js'
import {
  Callable,
  Dict,
  isInt,
  listOf,
  Namespace,
  Range,
  typeName,
  type Arguments,
  type KeywordArguments,
  type Value,
} from './values.js'

/** Largest length of a range in Jinja's sandbox. */
const longestRange = 100_000

function range(args: Arguments, named: KeywordArguments): Value {
  if (named.size > 0) throw typeError('range() takes no keyword arguments')
  if (args.length === 0 || args.length > 3) throw typeError(`range expected 1 to 3 arguments, got ${args.length}`)
  const [first, second, step] = args.map((value) => {
    if (!isInt(value)) throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`)
    return asInt(value)
  })
  if (step === 0n) throw valueError('range() arg 3 must not be zero')
  const made = second === undefined ? new Range(0n, first!, 1n) : new Range(first!, second, step ?? 1n)
  if (made.length > longestRange)
    throw pythonError('OverflowError', `Range too big: ${made.length} numbers, and ${longestRange} at most`)
  return made
}

function dict(args: Arguments, named: KeywordArguments): Dict {
  if (args.length > 1) throw typeError(`dict expected at most 1 argument, got ${args.length}`)
  const [first] = args
  const made = new Dict(first instanceof Dict ? first.pairs() : first === undefined ? [] : listOf(first).map(pair))
  for (const [key, value] of named) made.put(key, value)
  return made
}

function pair(value: Value): [Value, Value] {
  const items = listOf(value)
  if (items.length !== 2)
    throw valueError(`a dictionary update sequence element has length ${items.length}; 2 is required`)
  return [items[0]!, items[1]!]
}

function namespace(args: Arguments, named: KeywordArguments): Namespace {
  const made = new Namespace()
  for (const [key, value] of dict(args, named).pairs()) made.set(needText(key, 'an attribute'), value)
  return made
}

function cycler(args: Arguments): Value {
  if (args.length === 0) throw new JinjaError('python', 'RuntimeError: at least one item has to be provided')
  let at = 0
  const method = (name: string, work: () => Value) => new Callable(name, work)
  return new Callable(
    'cycler',
    () => {
      throw typeError("'Cycler' object is not callable")
    },
    (name) => {
      if (name === 'current') return args[at]!
      if (name === 'next')
        return method(name, () => {
          const now = args[at]!
          at = (at + 1) % args.length
          return now
        })
      return name === 'reset'
        ? method(name, () => {
            at = 0
            return null
          })
        : undefined
    },
  )
}

function joiner(args: Arguments, named: KeywordArguments): Value {
  const { sep = ', ' } = bind('joiner', 'sep?', args, named)
  let used = false
  return new Callable('joiner', () => {
    const now = used ? sep : ''
    used = true
    return now
  })
}

/** The globals that transformers provides for chat templates. @param now  the current date for templates */
export function globals(now: Date): Map<string, Value> {
  const made = (name: string, call: Callable['call'], attributes?: Callable['attributes']) =>
    [name, new Callable(name, call, attributes)] as const
  return new Map<string, Value>([
    made('range', range),
    made('dict', dict, (name) =>
      name === 'fromkeys'
        ? new Callable(name, (args, named) => {
            const { iterable, value } = bind(name, 'iterable, value?, /', args, named)
            return new Dict(listOf(iterable!).map((key) => [key, value ?? null]))
          })
        : undefined,
    ),
    made('namespace', namespace),
    made('cycler', cycler),
    made('joiner', joiner),
    made('lipsum', () => {
      throw unsupported('lipsum()')
    }),
    made('self', () => {
      throw unsupported('self')
    }),
    made('raise_exception', (args, named) => {
      throw new JinjaError('raised', str(bind('raise_exception', 'message', args, named).message!))
    }),
    made('strftime_now', (args, named) =>
      strftime(now, needText(bind('strftime_now', 'format', args, named).format, 'format')),
    ),
  ])
}
