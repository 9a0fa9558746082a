import type { Body, Expression, MacroBody, Parameter, Statement, Target } from './ast.js'
import { ExpressionParser } from './expression-parser.js'
import { Mentions } from './mentions.js'
import type { Blanks } from './lexer.js'
import { describe, TokenStream } from './token-stream.js'

/** Largest depth of nested blocks. */
const mostDepth = 100

/** Parses a template.
 *  @throws JinjaError of the kind `syntax` */
export function parse(template: string, blanks?: Blanks): Body {
  const mentions = new Mentions()
  const body = new Parser(new TokenStream(template, blanks), mentions).template()
  mentions.end()
  return body
}

class Parser extends ExpressionParser {
  private readonly open: { readonly tag: string; readonly ends: readonly string[] }[] = []
  private loops = 0

  template(): Body {
    return this.body([])
  }

  /** Parses statements up to a tag with one of these names, which becomes the current token. */
  private body(ends: readonly string[]): Statement[] {
    const { stream } = this
    const statements: Statement[] = []
    for (;;) {
      const { type, value, line } = stream.current
      if (type === 'data') {
        stream.next()
        if (value !== '') statements.push({ kind: 'text', text: value, line })
      } else if (type === 'variable_begin') {
        stream.next()
        statements.push({ kind: 'output', value: this.tuple(), line })
        stream.expect('variable_end')
      } else if (type === 'block_begin') {
        stream.next()
        if (ends.length > 0 && stream.is('name', ...ends)) return statements
        statements.push(this.statement())
        stream.expect('block_end')
      } else {
        if (ends.length > 0) throw this.unknown(undefined)
        return statements
      }
    }
  }

  /** Parses the statements between a tag and its end tag. */
  private block(tag: string, ends: readonly string[], keepEnd = false): Statement[] {
    const { stream } = this
    stream.skipIf(':')
    stream.expect('block_end')
    if (this.open.length >= mostDepth) throw stream.fail(`blocks are nested more than ${mostDepth} deep`)
    this.open.push({ tag, ends })
    const body = this.body(ends)
    this.open.pop()
    if (!keepEnd) stream.next()
    return body
  }

  private unknown(name: string | undefined): Error {
    const [last] = this.open.slice(-1)
    const known = name === undefined ? 'Unexpected end of template.' : `Encountered unknown tag '${name}'.`
    if (!last) return this.stream.fail(known)
    const tags = last.ends.map((end) => `'${end}'`).join(' or ')
    return this.stream.fail(
      `${known} Jinja was looking for the following tags: ${tags}. The innermost block that needs to be closed is '${last.tag}'.`,
    )
  }

  private statement(): Statement {
    const { stream } = this
    if (!stream.is('name')) throw stream.fail('tag name expected')
    const { value: tag, line } = stream.next()
    switch (tag) {
      case 'if':
        return this.if(line)
      case 'for':
        return this.for(line)
      case 'set':
        return this.set(line)
      case 'macro':
        return this.macro(line)
      case 'call':
        return this.callBlock(line)
      case 'filter': {
        const filter = this.filter(undefined, true)!
        return {
          kind: 'filter-block',
          filter,
          body: this.mentions.strictly(() => this.block(tag, ['endfilter'])),
          line,
        }
      }
      case 'with':
        return this.with(line)
      case 'generation':
        // `generation` marks what the assistant says, and does not change the text.
        return { kind: 'scope', body: this.alone(() => this.block(tag, ['endgeneration'])), line }
      case 'break':
      case 'continue':
        if (this.loops === 0) throw stream.fail(`'${tag}' outside loop`, line)
        return { kind: tag, line }
      case 'print':
        return { kind: 'output', value: this.printed(line), line }
      case 'autoescape':
      case 'block':
      case 'extends':
      case 'include':
      case 'import':
      case 'from':
        throw stream.fail(`{% ${tag} %} is not supported`, line)
      default:
        throw this.unknown(tag)
    }
  }

  /** Parses a part that Jinja compiles to a function: `break` and `continue` cannot leave a loop around it. */
  private alone<T>(work: () => T): T {
    const { loops } = this
    this.loops = 0
    const result = this.mentions.strictly(work)
    this.loops = loops
    return result
  }

  private printed(line: number): Expression {
    const items: Expression[] = []
    while (!this.stream.is('block_end')) {
      if (items.length > 0) this.stream.expect(',')
      items.push(this.expression())
    }
    return { kind: 'concat', items, line }
  }

  private if(line: number): Statement {
    const { mark } = this.mentions
    const branches: [Expression, Body][] = []
    let otherwise: Body = []
    for (;;) {
      const test = this.tuple({ withCondition: false })
      branches.push([test, this.block('if', ['elif', 'else', 'endif'], true)])
      const end = this.stream.next().value
      if (end === 'elif') continue
      if (end === 'else') otherwise = this.block('if', ['endif'])
      break
    }
    this.mentions.forgive(mark)
    return { kind: 'if', branches, otherwise, line }
  }

  private for(line: number): Statement {
    const { stream } = this
    const target = this.target({ end: ['in'] })
    if (namesOf(target).includes('loop'))
      throw stream.fail("Can't assign to special loop variable in for-loop target", line)
    stream.expect('name', 'in')
    const over = this.tuple({ withCondition: false, end: ['recursive'] })
    const test = stream.skipIf('name', 'if') ? this.expression() : undefined
    const recursive = stream.skipIf('name', 'recursive')
    this.loops++
    const body = this.mentions.strictly(() => this.block('for', ['endfor', 'else'], true))
    this.loops--
    const otherwise = stream.next().value === 'else' ? this.mentions.strictly(() => this.block('for', ['endfor'])) : []
    return { kind: 'for', target, over, test, recursive, body, otherwise, line }
  }

  private set(line: number): Statement {
    const target = this.target({ namespaces: true })
    if (this.stream.skipIf('=')) return { kind: 'set', target, value: this.tuple(), line }
    const filter = this.filter(undefined)
    const body = this.mentions.strictly(() => this.block('set', ['endset']))
    return { kind: 'set-block', target, filter, body, line }
  }

  private with(line: number): Statement {
    const targets: Target[] = []
    const values: Expression[] = []
    while (!this.stream.is('block_end')) {
      if (targets.length > 0) this.stream.expect(',')
      targets.push(this.target())
      this.stream.expect('=')
      values.push(this.expression())
    }
    return { kind: 'with', targets, values, body: this.mentions.strictly(() => this.block('with', ['endwith'])), line }
  }

  private macro(line: number): Statement {
    const name = this.name()
    return { kind: 'macro', macro: this.macroBody(name, () => this.signature(), 'macro'), line }
  }

  private callBlock(line: number): Statement {
    const parameters = this.stream.is('(') ? this.signature() : []
    const call = this.expression()
    if (call.kind !== 'call') throw this.stream.fail('expected call', line)
    return { kind: 'call', call, caller: this.macroBody('caller', () => parameters, 'call'), line }
  }

  private macroBody(name: string, signature: () => Parameter[], tag: string): MacroBody {
    return this.alone(() => {
      const parameters = signature()
      const [body, special] = this.mentions.watch(() => this.block(tag, [`end${tag}`]))
      for (const { name: own } of parameters.slice(0, -1).filter(({ otherwise }) => !otherwise))
        if (own === 'caller')
          throw this.stream.fail('When defining macros with "caller" the argument must have a default')
      return { name, parameters, body, special }
    })
  }

  private signature(): Parameter[] {
    const { stream } = this
    const parameters: Parameter[] = []
    stream.expect('(')
    while (!stream.is(')')) {
      if (parameters.length > 0) stream.expect(',')
      const name = this.name()
      const otherwise = stream.skipIf('=') ? this.expression() : undefined
      if (!otherwise && parameters.at(-1)?.otherwise) throw stream.fail('non-default argument follows default argument')
      if (parameters.some((one) => one.name === name)) throw stream.fail(`duplicate argument '${name}'`)
      parameters.push({ name, otherwise })
    }
    stream.expect(')')
    return parameters
  }

  private name(): string {
    const { value } = this.stream.expect('name')
    if (constant.has(value)) throw this.stream.fail(`can't assign to '${value}'`)
    this.mentions.assigned(value)
    return value
  }

  /** Parses the target of an assignment: a name, an attribute of a namespace, or several. */
  private target({ end = [] as readonly string[], namespaces = false } = {}): Target {
    const { stream } = this
    const targets: Target[] = []
    let isTuple = false
    for (;;) {
      if (targets.length > 0) stream.expect(',')
      if (stream.is('=') || this.isTupleEnd(end)) break
      targets.push(this.oneTarget(end, namespaces))
      if (!stream.is(',')) break
      isTuple = true
    }
    if (!isTuple && targets.length === 0) throw stream.fail(`Expected an expression, got '${describe(stream.current)}'`)
    return isTuple ? { kind: 'tuple', targets } : targets[0]!
  }

  private oneTarget(end: readonly string[], namespaces: boolean): Target {
    const { stream } = this
    if (stream.skipIf('(')) {
      const target = this.target({ end, namespaces })
      stream.expect(')')
      return target
    }
    const { line } = stream.current
    if (namespaces && stream.is('name') && stream.following.type === '.') {
      const name = stream.next().value
      this.mentions.used(name)
      stream.next()
      return { kind: 'namespace', name, attribute: stream.expect('name').value, line }
    }
    return { kind: 'name', name: this.name() }
  }
}

const constant = new Set(['true', 'True', 'false', 'False', 'none', 'None'])

const namesOf = (target: Target): readonly string[] =>
  target.kind === 'tuple' ? target.targets.flatMap(namesOf) : target.kind === 'name' ? [target.name] : []
