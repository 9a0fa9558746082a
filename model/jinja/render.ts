import { unreachable } from '../../errors/unreachable.js'
import type { Body, MacroBody, Statement, Target } from './ast.js'
import { JinjaError, typeError, valueError } from './errors.js'
import { Evaluator } from './evaluate.js'
import { Loop } from './loop.js'
import { charge, nested } from './meter.js'
import { len } from './operators.js'
import { str } from './repr.js'
import { Output, Scope } from './scope.js'
import { Callable, Dict, Iter, iterate, listOf, Namespace, truth, Tuple, Undefined, type Value } from './values.js'

/** How a loop's body was left early. */
type Left = 'break' | 'continue' | undefined

/** Executes the statements of a template. */
export class Renderer {
  private readonly evaluator = new Evaluator()

  body(statements: Body, scope: Scope, out: Output): Left {
    for (const statement of statements) {
      charge()
      try {
        const left = this.statement(statement, scope, out)
        if (left) return left
      } catch (error) {
        if (error instanceof JinjaError) error.line ??= statement.line
        throw error
      }
    }
    return undefined
  }

  /** Renders statements in a scope of their own. */
  private textOf(statements: Body, around: Scope): string {
    const out = new Output()
    this.body(statements, new Scope(around), out)
    return out.text
  }

  private statement(statement: Statement, scope: Scope, out: Output): Left {
    const value = (expression: Parameters<Evaluator['value']>[0]) => this.evaluator.value(expression, scope)
    switch (statement.kind) {
      case 'text':
        out.write(statement.text)
        return undefined
      case 'output':
        out.write(str(value(statement.value)))
        return undefined
      case 'if': {
        const branch = statement.branches.find(([test]) => truth(value(test)))
        return this.body(branch ? branch[1] : statement.otherwise, scope, out)
      }
      case 'for':
        nested(() => this.loop(statement, value(statement.over), scope, out, 0))
        return undefined
      case 'set':
        this.assign(statement.target, value(statement.value), scope)
        return undefined
      case 'set-block': {
        const text = this.textOf(statement.body, scope)
        this.assign(
          statement.target,
          statement.filter ? this.evaluator.value(statement.filter, scope, text) : text,
          scope,
        )
        return undefined
      }
      case 'with': {
        const values = statement.values.map(value)
        const inner = new Scope(scope)
        statement.targets.forEach((target, i) => this.assign(target, values[i]!, inner))
        return this.body(statement.body, inner, out)
      }
      case 'macro':
        scope.set(statement.macro.name, this.macro(statement.macro, scope))
        return undefined
      case 'call': {
        const caller = this.macro(statement.caller, scope)
        const { callee, args } = statement.call
        out.write(str(this.evaluator.call(callee, args, scope, ['caller', caller])))
        return undefined
      }
      case 'filter-block':
        out.write(str(this.evaluator.value(statement.filter, scope, this.textOf(statement.body, scope))))
        return undefined
      case 'scope':
        return this.body(statement.body, new Scope(scope), out)
      case 'break':
      case 'continue':
        return statement.kind
      default:
        return unreachable(statement)
    }
  }

  private loop(statement: Statement & { kind: 'for' }, over: Value, scope: Scope, out: Output, depth: number): void {
    const { target, test, body, otherwise, recursive } = statement
    const items = test ? this.chosen(statement, over, scope) : iterate(over)
    const known = test || over instanceof Iter ? undefined : len(over)
    const recurse = (inner: Value): Value => {
      const loopOutput = new Output()
      this.loop(statement, inner, scope, loopOutput, depth + 1)
      return loopOutput.text
    }
    const loop = new Loop(items, known, depth, recursive ? recurse : undefined)
    let some = false
    for (let next = loop.next(); !next.done; next = loop.next()) {
      const inner = new Scope(scope, [['loop', loop.variable]])
      this.assign(target, next.value, inner)
      const left = this.body(body, inner, out)
      if (left === 'break') break
      // As in Jinja's compiled code, an iteration that is left early does not count.
      if (left === undefined) some = true
    }
    if (!some) this.body(otherwise, new Scope(scope), out)
  }

  /** Yields the items for which the condition of a `for` is true. */
  private *chosen({ target, test }: Statement & { kind: 'for' }, over: Value, scope: Scope): Generator<Value> {
    const items = iterate(over)
    for (let next = items.next(); !next.done; next = items.next()) {
      charge()
      const inner = new Scope(scope)
      this.assign(target, next.value, inner)
      if (truth(this.evaluator.value(test!, inner))) yield next.value
    }
  }

  private assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === 'name') return scope.set(target.name, value)
    if (target.kind === 'namespace') {
      const namespace = scope.get(target.name)
      if (!(namespace instanceof Namespace))
        throw new JinjaError(
          'python',
          'TemplateRuntimeError: cannot assign attribute on non-namespace object',
          target.line,
        )
      return namespace.set(target.attribute, value)
    }
    const values = listOf(value)
    if (values.length !== target.targets.length)
      throw valueError(`${values.length} values for ${target.targets.length} names`)
    target.targets.forEach((one, i) => this.assign(one, values[i]!, scope))
  }

  private macro(macro: MacroBody, around: Scope): Callable {
    const { name, parameters, special } = macro
    const names = parameters.map((one) => one.name)
    const call = (args: readonly Value[], given: ReadonlyMap<string, Value>): Value => {
      const named = new Map(given)
      const take = (key: string): Value | undefined => {
        const value = named.get(key)
        named.delete(key)
        return value
      }
      const values = names.map((key, i) => (i < args.length ? args[i] : take(key)))
      const scope = new Scope(around)
      if (special.has('caller') && !names.includes('caller')) {
        const caller = take('caller')
        scope.set('caller', caller === undefined || caller === null ? new Undefined('No caller defined') : caller)
      }
      if (special.has('kwargs')) scope.set('kwargs', new Dict(named))
      else for (const [key] of named) throw typeError(`macro '${name}' takes no keyword argument '${key}'`)
      if (special.has('varargs')) scope.set('varargs', new Tuple(args.slice(names.length)))
      else if (args.length > names.length)
        throw typeError(`macro '${name}' takes not more than ${names.length} argument(s)`)
      // A default may use the parameters before it.
      parameters.forEach(({ name: key, otherwise }, i) => {
        const argument = values[i] === undefined && otherwise ? this.evaluator.value(otherwise, scope) : values[i]
        scope.set(key, argument === undefined ? new Undefined(`parameter '${key}' was not provided`) : argument)
      })
      return this.textOf(macro.body, scope)
    }
    return new Callable(name, call, (key) => {
      if (key === 'name') return name
      if (key === 'arguments') return new Tuple(names)
      if (key === 'caller') return special.has('caller')
      if (key === 'catch_kwargs') return special.has('kwargs')
      return key === 'catch_varargs' ? special.has('varargs') : undefined
    })
  }
}
