import type { CallArguments, Expression, Slice } from './ast.js'
import { JinjaError } from './errors.js'
import { hasFilter } from './filter-names.js'
import type { Mentions } from './mentions.js'
import { hasTest } from './tests.js'
import { describe, type TokenStream } from './token-stream.js'
import { entryOf } from '../../errors/foreign.js'

/** Limit on expressions nested in each other. */
const mostDepth = 150
const constants: Readonly<Record<string, boolean | null>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
}
const noArguments: CallArguments = { args: [], named: [], rest: undefined, restNamed: undefined }

/** Parses what binds more tightly than any operator: a value, followed by attributes, items, calls, filters and tests. */
export abstract class PrimaryParser {
  private depth = 0

  constructor(
    protected readonly stream: TokenStream,
    protected readonly mentions: Mentions,
  ) {}

  abstract expression(withCondition?: boolean): Expression

  /** Parses an expression within another. */
  protected nested<T>(read: () => T): T {
    if (++this.depth > mostDepth) throw this.stream.fail(`expressions are nested more than ${mostDepth} deep`)
    const inner = read()
    this.depth--
    return inner
  }

  /** Parses an expression, or several separated by commas. */
  tuple({ withCondition = true, parentheses = false, end = [] as readonly string[] } = {}): Expression {
    const { line } = this.stream.current
    const items: Expression[] = []
    let isTuple = false
    for (;;) {
      if (items.length > 0) this.stream.expect(',')
      if (this.isTupleEnd(end)) break
      items.push(this.expression(withCondition))
      if (!this.stream.is(',')) break
      isTuple = true
    }
    if (!isTuple && items.length > 0) return items[0]!
    if (!isTuple && !parentheses)
      throw this.stream.fail(`Expected an expression, got '${describe(this.stream.current)}'`)
    return { kind: 'tuple', items, line }
  }

  isTupleEnd(names: readonly string[]): boolean {
    const { stream } = this
    return (
      stream.is('variable_end') ||
      stream.is('block_end') ||
      stream.is(')') ||
      (names.length > 0 && stream.is('name', ...names))
    )
  }

  protected primary(): Expression {
    const { stream } = this
    const token = stream.current
    const { type, value, line } = token
    switch (type) {
      case 'name': {
        stream.next()
        const constant = entryOf(constants, value)
        if (constant !== undefined) return { kind: 'constant', value: constant, line }
        this.mentions.used(value)
        return { kind: 'name', name: value, line }
      }
      case 'string': {
        let text = stream.next().value
        while (stream.is('string')) text += stream.next().value
        return { kind: 'constant', value: text, line }
      }
      case 'integer':
      case 'float':
        stream.next()
        return { kind: 'constant', value: token.number!, line }
      case '(': {
        stream.next()
        const inner = this.nested(() => this.tuple({ parentheses: true }))
        stream.expect(')')
        return inner
      }
      case '[':
        return { kind: 'list', items: this.enclosed('[', ']', () => this.expression()), line }
      case '{': {
        const pairs = this.enclosed('{', '}', () => {
          const key = this.expression()
          stream.expect(':')
          return [key, this.expression()] as const
        })
        return { kind: 'dict', pairs, line }
      }
      default:
        throw stream.fail(`unexpected '${describe(token)}'`)
    }
  }

  private enclosed<T>(open: string, close: string, one: () => T): T[] {
    this.stream.expect(open)
    const all: T[] = []
    while (!this.stream.is(close)) {
      if (all.length > 0) this.stream.expect(',')
      if (this.stream.is(close)) break
      all.push(one())
    }
    this.stream.expect(close)
    return all
  }

  protected postfix(of: Expression): Expression {
    let expression = of
    for (;;) {
      if (this.stream.is('.') || this.stream.is('[')) expression = this.subscript(expression)
      else if (this.stream.is('(')) expression = this.call(expression)
      else return expression
    }
  }

  protected filters(of: Expression): Expression {
    let expression = of
    for (;;) {
      if (this.stream.is('|')) expression = this.filter(expression)!
      else if (this.stream.is('name', 'is')) expression = this.test(expression)
      else if (this.stream.is('(')) expression = this.call(expression)
      else return expression
    }
  }

  private subscript(object: Expression): Expression {
    const { type, line } = this.stream.next()
    if (type === '.') {
      const { type: kind, value, number } = this.stream.next()
      if (kind === 'name') return { kind: 'attribute', object, name: value, line }
      if (kind !== 'integer') throw this.stream.fail('expected name or number')
      return { kind: 'item', object, key: { kind: 'constant', value: number!, line }, line }
    }
    const keys: (Expression | Slice)[] = []
    while (!this.stream.is(']')) {
      if (keys.length > 0) this.stream.expect(',')
      keys.push(this.key())
    }
    this.stream.expect(']')
    if (keys.length === 1) return { kind: 'item', object, key: keys[0]!, line }
    if (keys.some(({ kind }) => kind === 'slice')) throw this.stream.fail('several slices are not supported', line)
    return { kind: 'item', object, key: { kind: 'tuple', items: keys as Expression[], line }, line }
  }

  private key(): Expression | Slice {
    const { stream } = this
    const ends = () => stream.is(']') || stream.is(',')
    const first = stream.is(':') ? undefined : this.expression()
    if (first && !stream.is(':')) return first
    stream.expect(':')
    const second = stream.is(':') || ends() ? undefined : this.expression()
    const third = stream.skipIf(':') && !ends() ? this.expression() : undefined
    return { kind: 'slice', parts: [first, second, third] }
  }

  private callArguments(): CallArguments {
    const { stream } = this
    const { line } = stream.expect('(')
    const args: Expression[] = []
    const named: [string, Expression][] = []
    let rest: Expression | undefined
    let restNamed: Expression | undefined
    const ensure = (right: boolean) => {
      if (!right) throw stream.fail('invalid syntax for function call expression', line)
    }
    let first = true
    while (!stream.is(')')) {
      if (!first) {
        stream.expect(',')
        if (stream.is(')')) break
      }
      first = false
      if (stream.skipIf('*')) {
        ensure(!rest && !restNamed)
        rest = this.expression()
      } else if (stream.skipIf('**')) {
        ensure(!restNamed)
        restNamed = this.expression()
      } else if (stream.is('name') && stream.following.type === '=') {
        ensure(!restNamed)
        const name = stream.next().value
        stream.next()
        if (named.some(([one]) => one === name)) throw stream.fail(`keyword argument repeated: ${name}`, line)
        named.push([name, this.expression()])
      } else {
        ensure(!rest && !restNamed && named.length === 0)
        args.push(this.expression())
      }
    }
    stream.expect(')')
    return { args, named, rest, restNamed }
  }

  private call(callee: Expression): Expression {
    const { line } = this.stream.current
    return { kind: 'call', callee, args: this.callArguments(), line }
  }

  /** Parses filters after a value, or at the beginning of a block without one. */
  filter(of: Expression | undefined, inline = false): Expression | undefined {
    let expression = of
    for (let begins = inline; begins || this.stream.is('|'); begins = false) {
      if (!begins) this.stream.next()
      const { line } = this.stream.current
      const name = this.dotted()
      if (!hasFilter(name)) this.mentions.missing(new JinjaError('syntax', `No filter named '${name}'.`, line))
      expression = {
        kind: 'filter',
        of: expression,
        name,
        args: this.stream.is('(') ? this.callArguments() : noArguments,
        line,
      }
    }
    return expression
  }

  private dotted(): string {
    let name = this.stream.expect('name').value
    while (this.stream.skipIf('.')) name += `.${this.stream.expect('name').value}`
    return name
  }

  private test(of: Expression): Expression {
    const { stream } = this
    const { line } = stream.next()
    const negated = stream.skipIf('name', 'not')
    const name = this.dotted()
    if (!hasTest(name)) this.mentions.missing(new JinjaError('syntax', `No test named '${name}'.`, line))
    let args = noArguments
    if (stream.is('(')) args = this.callArguments()
    else if (
      ['name', 'string', 'integer', 'float', '[', '{'].includes(stream.current.type) &&
      !stream.is('name', 'else', 'or', 'and')
    ) {
      if (stream.is('name', 'is')) throw stream.fail('You cannot chain multiple tests with is')
      args = { ...noArguments, args: [this.postfix(this.primary())] }
    }
    const expression: Expression = { kind: 'test', of, name, args, line }
    return negated ? { kind: 'unary', operator: 'not', operand: expression, line } : expression
  }
}
