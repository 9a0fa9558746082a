/** An expression and its line. */
export type Expression = { readonly line: number } & (
  | { readonly kind: 'constant'; readonly value: null | boolean | bigint | number | string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'attribute'; readonly object: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly object: Expression; readonly key: Expression | Slice }
  | { readonly kind: 'call'; readonly callee: Expression; readonly args: CallArguments }
  | {
      readonly kind: 'filter' | 'test'
      readonly of: Expression | undefined
      readonly name: string
      readonly args: CallArguments
    }
  | { readonly kind: 'unary'; readonly operator: 'not' | '+' | '-'; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'compare'
      readonly first: Expression
      readonly rest: readonly (readonly [operator: string, Expression])[]
    }
  | {
      readonly kind: 'condition'
      readonly test: Expression
      readonly then: Expression
      readonly otherwise: Expression | undefined
    }
)

export interface Slice {
  readonly kind: 'slice'
  readonly parts: readonly (Expression | undefined)[]
}

export interface CallArguments {
  readonly args: readonly Expression[]
  readonly named: readonly (readonly [name: string, Expression])[]
  /** `*args` and `**kwargs`. */
  readonly rest: Expression | undefined
  readonly restNamed: Expression | undefined
}

/** The target of an assignment. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'namespace'; readonly name: string; readonly attribute: string; readonly line: number }
  | { readonly kind: 'tuple'; readonly targets: readonly Target[] }

export interface Parameter {
  readonly name: string
  readonly otherwise: Expression | undefined
}

/** A macro, or the body of a `call`. */
export interface MacroBody {
  readonly name: string
  readonly parameters: readonly Parameter[]
  readonly body: readonly Statement[]
  /** Which of `caller`, `varargs` and `kwargs` it mentions. */
  readonly special: ReadonlySet<string>
}

export type Statement = { readonly line: number } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly value: Expression }
  | { readonly kind: 'if'; readonly branches: readonly (readonly [Expression, Body])[]; readonly otherwise: Body }
  | {
      readonly kind: 'for'
      readonly target: Target
      readonly over: Expression
      readonly test: Expression | undefined
      readonly recursive: boolean
      readonly body: Body
      readonly otherwise: Body
    }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'set-block'
      readonly target: Target
      readonly filter: Expression | undefined
      readonly body: Body
    }
  | {
      readonly kind: 'with'
      readonly targets: readonly Target[]
      readonly values: readonly Expression[]
      readonly body: Body
    }
  | { readonly kind: 'macro'; readonly macro: MacroBody }
  | { readonly kind: 'call'; readonly call: Expression & { kind: 'call' }; readonly caller: MacroBody }
  | { readonly kind: 'filter-block'; readonly filter: Expression; readonly body: Body }
  | { readonly kind: 'scope'; readonly body: Body }
  | { readonly kind: 'break' | 'continue' }
)

export type Body = readonly Statement[]
