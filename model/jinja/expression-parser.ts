import type { Expression } from './ast.js'
import { PrimaryParser } from './primary-parser.js'

const comparisons = ['==', '!=', '<', '<=', '>', '>=']

/** Parses expressions with Jinja's operator precedence. */
export class ExpressionParser extends PrimaryParser {
  expression(withCondition = true): Expression {
    return this.nested(() => (withCondition ? this.condition() : this.or()))
  }

  private condition(): Expression {
    const { line } = this.stream.current
    const { mark } = this.mentions
    let then = this.or()
    while (this.stream.skipIf('name', 'if')) {
      const test = this.or()
      const otherwise = this.stream.skipIf('name', 'else') ? this.condition() : undefined
      then = { kind: 'condition', test, then, otherwise, line }
      this.mentions.forgive(mark)
    }
    return then
  }

  private or(): Expression {
    return this.logical('or', () => this.logical('and', () => this.not()))
  }

  private logical(kind: 'or' | 'and', operand: () => Expression): Expression {
    let left = operand()
    while (this.stream.is('name', kind)) {
      const { line } = this.stream.next()
      left = { kind, left, right: operand(), line }
    }
    return left
  }

  private not(): Expression {
    if (!this.stream.is('name', 'not')) return this.compare()
    const { line } = this.stream.next()
    const operand = this.nested(() => this.not())
    return { kind: 'unary', operator: 'not', operand, line }
  }

  private compare(): Expression {
    const { stream } = this
    const { line } = stream.current
    const first = this.sum()
    const rest: [string, Expression][] = []
    for (;;) {
      if (comparisons.includes(stream.current.type)) rest.push([stream.next().type, this.sum()])
      else if (stream.skipIf('name', 'in')) rest.push(['in', this.sum()])
      else if (stream.is('name', 'not') && stream.following.type === 'name' && stream.following.value === 'in') {
        stream.next()
        stream.next()
        rest.push(['not in', this.sum()])
      } else break
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest, line }
  }

  private binary(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand()
    while (operators.includes(this.stream.current.type)) {
      const { type: operator, line } = this.stream.next()
      left = { kind: 'binary', operator, left, right: operand(), line }
    }
    return left
  }

  private sum(): Expression {
    return this.binary(['+', '-'], () => this.concat())
  }

  private concat(): Expression {
    const { line } = this.stream.current
    const items = [this.product()]
    while (this.stream.skipIf('~')) items.push(this.product())
    return items.length === 1 ? items[0]! : { kind: 'concat', items, line }
  }

  private product(): Expression {
    return this.binary(['*', '/', '//', '%'], () => this.binary(['**'], () => this.unary()))
  }

  private unary(withFilter = true): Expression {
    const { type, line } = this.stream.current
    let value: Expression
    if (type === '-' || type === '+') {
      this.stream.next()
      value = { kind: 'unary', operator: type, operand: this.nested(() => this.unary(false)), line }
    } else value = this.primary()
    value = this.postfix(value)
    return withFilter ? this.filters(value) : value
  }
}
