import { JinjaError } from './errors.js'
import { hasFilter } from './filter-names.js'
import { charge } from './meter.js'
import { contains, equal, identical, operate, ordered } from './operators.js'
import { bind } from './parameters.js'
import { str } from './repr.js'
import { stringMethod } from './string-methods.js'
import {
  Callable,
  Dict,
  DictView,
  Iter,
  isNumber,
  iterated,
  Markup,
  truth,
  Undefined,
  type Arguments,
  type KeywordArguments,
  type Value,
} from './values.js'
import { entryOf } from '../../errors/foreign.js'

type Test = readonly [spec: string, test: (value: Value, other: Value) => boolean]

const remainder = (value: Value, by: Value): boolean => equal(operate('%', value, by), 0n)
const comparing = (operator: '<' | '<=' | '>' | '>='): Test => [
  'other',
  (value, other) => ordered(operator, value, other),
]
const equals: Test = ['other', equal]
const differs: Test = ['other', (value, other) => !equal(value, other)]
const ofText = (method: string): Test => ['', (value) => truth(stringMethod(str(value), method)!.call([], new Map()))]

/** Whether a value has a length, and items by index. */
const isSequence = (value: Value): boolean =>
  iterated(value) !== undefined && !(value instanceof DictView || value instanceof Iter || value instanceof Callable)

const all: Readonly<Record<string, Test>> = {
  odd: ['', (value) => equal(operate('%', value, 2n), 1n)],
  even: ['', (value) => remainder(value, 2n)],
  divisibleby: ['num', remainder],
  defined: ['', (value) => !(value instanceof Undefined)],
  undefined: ['', (value) => value instanceof Undefined],
  filter: ['', (value) => hasFilter(str(value))],
  test: ['', (value) => hasTest(str(value))],
  none: ['', (value) => value === null],
  boolean: ['', (value) => typeof value === 'boolean'],
  false: ['', (value) => value === false],
  true: ['', (value) => value === true],
  integer: ['', (value) => typeof value === 'bigint'],
  float: ['', (value) => typeof value === 'number'],
  lower: ofText('islower'),
  upper: ofText('isupper'),
  string: ['', (value) => typeof value === 'string' || value instanceof Markup],
  mapping: ['', (value) => value instanceof Dict],
  number: ['', (value) => isNumber(value)],
  sequence: ['', isSequence],
  iterable: ['', (value) => value instanceof Markup || iterated(value) !== undefined],
  callable: ['', (value) => value instanceof Callable || value instanceof Undefined],
  sameas: ['other', identical],
  escaped: ['', (value) => value instanceof Markup],
  in: ['seq', (value, other) => contains(other, value)],
  '==': equals,
  eq: equals,
  equalto: equals,
  '!=': differs,
  ne: differs,
  '>': comparing('>'),
  gt: comparing('>'),
  greaterthan: comparing('>'),
  '>=': comparing('>='),
  ge: comparing('>='),
  '<': comparing('<'),
  lt: comparing('<'),
  lessthan: comparing('<'),
  '<=': comparing('<='),
  le: comparing('<='),
}

export const hasTest = (name: string): boolean => Object.hasOwn(all, name)

/** Applies a test by its name.
 *  @throws JinjaError */
export function applyTest(name: string, value: Value, args: Arguments, named: KeywordArguments): boolean {
  charge()
  if (!hasTest(name)) throw new JinjaError('python', `TemplateRuntimeError: No test named '${name}' found.`)
  const [spec, test] = entryOf(all, name)!
  const bound = bind(name, spec, args, named)
  return test(value, spec === '' ? null : bound[spec]!)
}
