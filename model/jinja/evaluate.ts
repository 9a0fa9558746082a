import { unreachable } from '../../errors/unreachable.js'
import type { CallArguments, Expression } from './ast.js'
import { JinjaError, typeError } from './errors.js'
import { getAttribute, getItem } from './attributes.js'
import { applyFilter } from './filters.js'
import { charge, nested, requireLength } from './meter.js'
import { asInt } from './numbers.js'
import { contains, equal, operate, ordered, slice } from './operators.js'
import { str } from './repr.js'
import type { Scope } from './scope.js'
import { applyTest } from './tests.js'
import {
  Callable,
  Dict,
  isInt,
  iterate,
  List,
  otherwise,
  truth,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js'

/** Evaluates expressions. */
export class Evaluator {
  /** @param piped  the value for a filter that has none in front of it */
  value(expression: Expression, scope: Scope, piped?: Value): Value {
    charge()
    try {
      return this.found(expression, scope, piped)
    } catch (error) {
      if (error instanceof JinjaError) error.line ??= expression.line
      throw error
    }
  }

  private found(expression: Expression, scope: Scope, piped: Value | undefined): Value {
    const value = (part: Expression) => this.value(part, scope, piped)
    switch (expression.kind) {
      case 'constant':
        return expression.value
      case 'name':
        return otherwise(scope.get(expression.name), () => new Undefined(`'${expression.name}' is undefined`))
      case 'list':
        return new List(expression.items.map(value))
      case 'tuple':
        return new Tuple(expression.items.map(value))
      case 'concat': {
        const texts = expression.items.map((item) => str(value(item)))
        requireLength(texts.reduce((sum, { length }) => sum + length, 0))
        return texts.join('')
      }
      case 'dict':
        return new Dict(expression.pairs.map(([key, item]) => [value(key), value(item)]))
      case 'attribute':
        return getAttribute(value(expression.object), expression.name)
      case 'item': {
        const { object, key } = expression
        if (key.kind !== 'slice') return getItem(value(object), value(key))
        const [of, ...parts] = [value(object), ...key.parts.map((part) => (part ? value(part) : null))]
        return slice(of, parts[0]!, parts[1]!, parts[2]!)
      }
      case 'call':
        return this.call(expression.callee, expression.args, scope)
      case 'filter': {
        const of = expression.of ? value(expression.of) : piped!
        const { args, named } = this.arguments(expression.args, scope)
        return applyFilter(expression.name, of, args, named)
      }
      case 'test': {
        const of = value(expression.of!)
        const { args, named } = this.arguments(expression.args, scope)
        return applyTest(expression.name, of, args, named)
      }
      case 'unary':
        return unary(expression.operator, value(expression.operand))
      case 'binary':
        return operate(expression.operator, value(expression.left), value(expression.right))
      case 'and': {
        const left = value(expression.left)
        return truth(left) ? value(expression.right) : left
      }
      case 'or': {
        const left = value(expression.left)
        return truth(left) ? left : value(expression.right)
      }
      case 'compare': {
        let left = value(expression.first)
        for (const [operator, operand] of expression.rest) {
          const right = value(operand)
          if (!holds(operator, left, right)) return false
          left = right
        }
        return true
      }
      case 'condition': {
        if (truth(value(expression.test))) return value(expression.then)
        if (expression.otherwise) return value(expression.otherwise)
        return new Undefined(
          `the inline if-expression on line ${expression.line} evaluated to false and no else section was defined.`,
        )
      }
      default:
        return unreachable(expression)
    }
  }

  /** @param further  keyword arguments in addition to those in the template */
  call(callee: Expression, given: CallArguments, scope: Scope, further?: readonly [string, Value]): Value {
    const called = this.value(callee, scope)
    const { args, named } = this.arguments(given, scope)
    if (further) named.set(...further)
    if (called instanceof Undefined) throw called.fail()
    if (!(called instanceof Callable)) throw typeError(`'${typeName(called)}' object is not callable`)
    return nested(() => called.call(args, named))
  }

  private arguments(given: CallArguments, scope: Scope): { args: Value[]; named: Map<string, Value> } {
    const args = given.args.map((item) => this.value(item, scope))
    const named = new Map(given.named.map(([name, item]) => [name, this.value(item, scope)] as const))
    if (given.rest) {
      const iterator = iterate(this.value(given.rest, scope))
      for (let next = iterator.next(); !next.done; next = iterator.next()) args.push(next.value)
    }
    if (given.restNamed) {
      const rest = this.value(given.restNamed, scope)
      if (!(rest instanceof Dict)) throw typeError(`argument after ** must be a mapping, not ${typeName(rest)}`)
      for (const [key, item] of rest.pairs()) {
        if (typeof key !== 'string') throw typeError('keywords must be strings')
        if (named.has(key)) throw typeError(`got multiple values for keyword argument '${key}'`)
        named.set(key, item)
      }
    }
    return { args, named }
  }
}

function unary(operator: 'not' | '+' | '-', value: Value): Value {
  if (operator === 'not') return !truth(value)
  if (value instanceof Undefined) throw value.fail()
  if (isInt(value)) return operator === '-' ? -asInt(value) : asInt(value)
  if (typeof value === 'number') return operator === '-' ? -value : value
  throw typeError(`bad operand type for unary ${operator}: '${typeName(value)}'`)
}

function holds(operator: string, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return equal(left, right)
    case '!=':
      return !equal(left, right)
    case 'in':
      return contains(right, left)
    case 'not in':
      return !contains(right, left)
    default:
      return ordered(operator as '<', left, right)
  }
}
