import { encodeModel, type Attribute, type Band, type GraphRecord, type Initializer, type NodeRecord } from './onnx.js'
import { toFloat16 } from './float16.js'
import type { Graph } from './graph.js'
import { allocate, elements, show, ShapeError } from './types.js'
import type { DType, Shape, TypedArray } from './types.js'

/** A tensor in a graph that is being built. */
export interface Value {
  /** The graph itself, with all of its operators: `x.graph.add(x, y)`. */
  readonly graph: Graph
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

/** The gradient of one input, made only when it is wanted; undefined where there is none. */
export type Gradient = (() => Value) | undefined

/** What `gradients` needs of an operation: its outputs, its inputs, and the rule. */
export interface TapeEntry {
  readonly outputs: readonly Value[]
  readonly inputs: readonly Value[]
  /** dy of every output (undefined: zero) to the gradients of the inputs; `wanted` says which of them are used. */
  readonly rule: (dy: readonly (Value | undefined)[], wanted: readonly boolean[]) => readonly Gradient[]
}

/** A node that an operator may still rewrite when its gradient is asked for. */
export type MutableNode = { -readonly [K in keyof NodeRecord]: NodeRecord[K] }

/** The graph itself or the body of a loop in it. */
export interface Scope {
  readonly nodes: NodeRecord[]
  readonly inputs: Value[]
  readonly outputs: { readonly name: string; readonly value: Value }[]
  readonly tape: TapeEntry[]
  /** Names of the values made here. */
  readonly names: Set<string>
  /** Values of outer scopes used here, constants left out. */
  readonly captured: Map<string, Value>
}

function dtypeOf(data: TypedArray, wanted: DType | undefined): DType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof Uint16Array) return 'float16'
  return wanted === 'bool' ? 'bool' : 'uint8'
}

function fromNumbers(numbers: readonly number[], dtype: DType): TypedArray {
  if (dtype === 'float16') return toFloat16(Float32Array.from(numbers))
  if (dtype === 'int64') return BigInt64Array.from(numbers.map(BigInt))
  const array = allocate(dtype, numbers.length) as Exclude<TypedArray, BigInt64Array>
  array.set(numbers)
  return array
}

/** Nodes, names and the tape: what every operator is written with. */
export abstract class GraphCore {
  private readonly scopes: [Scope, ...Scope[]] = [newScope()]
  private readonly initializers: Initializer[] = []
  private readonly scalars = new Map<string, Value>()
  private readonly constants = new Set<string>()
  /** Values that no operator can take as they are, and why. */
  private readonly handles = new Map<string, string>()
  private next = 0
  private silent = 0

  private get scope(): Scope {
    return this.scopes[this.scopes.length - 1]!
  }
  /** Operations with a gradient of the scope that is being built. */
  get tape(): TapeEntry[] {
    return this.scope.tape
  }

  protected fresh(): string {
    return `_${this.next++}`
  }

  private value(name: string, dtype: DType, shape: Shape, scope = this.scope): Value {
    if (scope.names.has(name)) throw new Error(`There are two values named "${name}" in the graph`)
    scope.names.add(name)
    return { graph: this.whole, name, dtype, shape }
  }

  /** Notes that the current scope uses a value. */
  private use(value: Value): string {
    if (value.graph !== this.whole) throw new Error(`Value "${value.name}" belongs to another graph`)
    const refusal = this.handles.get(value.name)
    if (refusal !== undefined) throw new ShapeError('value', refusal)
    for (let i = this.scopes.length - 1; i >= 0; i--) {
      const scope = this.scopes[i]!
      if (scope.names.has(value.name)) return value.name
      if (!this.constants.has(value.name)) scope.captured.set(value.name, value)
    }
    throw new Error(`Value "${value.name}" of a loop's body is used outside of it`)
  }

  /** This graph as what every instance is: `Graph` is the only class that is made of it. */
  private get whole(): Graph {
    return this as GraphCore as Graph
  }

  /** a + b, with broadcasting: sums of gradients. */
  abstract add(a: Value, b: Value): Value
  /** Repeats along axes of size 1 (and in front) to a larger shape. */
  abstract expand(x: Value, shape: Shape): Value
  /** Zeros of a shape: the gradient of what a loss does not depend on. */
  abstract zeros(shape: Shape, dtype?: DType): Value

  /** A tensor fed at every run. Names that begin with "_" are taken. */
  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.value(name, dtype, shape)
    this.scope.inputs.push(value)
    return value
  }

  /** A tensor that is part of the model. Numbers become `dtype` (default float32); typed arrays keep their type.
   *  Default shape: of a scalar for a number, of a vector otherwise. */
  constant(data: TypedArray | number | readonly number[], shape?: Shape, dtype?: DType): Value {
    return this.newConstant(data, shape, dtype)
  }

  protected newConstant(
    data: TypedArray | number | readonly number[],
    shape?: Shape,
    dtype?: DType,
    band?: Band,
  ): Value {
    const numbers = typeof data === 'number' ? [data] : data
    const wanted = shape ?? (typeof data === 'number' ? [] : [numbers.length])
    if (elements(wanted) !== numbers.length)
      throw new ShapeError('constant', `${numbers.length} elements do not fill ${show(wanted)}`)
    const typed = ArrayBuffer.isView(numbers)
    const type = typed ? dtypeOf(numbers, dtype) : (dtype ?? 'float32')
    if (dtype && type !== dtype) throw new ShapeError('constant', `data of type ${type} given as ${dtype}`)
    const array = typed ? numbers : fromNumbers(numbers, type)
    const name = this.fresh()
    this.initializers.push({ name, dtype: type, shape: wanted, data: array, ...(band && { band }) })
    this.constants.add(name)
    return this.value(name, type, wanted, this.scopes[0])
  }

  /** A value that stands for others: the operators that know it take those. All else is refused with `refusal`. */
  protected handle(dtype: DType, shape: Shape, refusal: string): Value {
    const name = this.fresh()
    this.handles.set(name, refusal)
    return { graph: this.whole, name, dtype, shape }
  }

  /** Nodes that use a value, those in bodies of loops included. */
  uses({ name }: Value): { readonly node: NodeRecord; readonly position: number }[] {
    const within = (nodes: readonly NodeRecord[]): ReturnType<GraphCore['uses']> =>
      nodes.flatMap((node) => [
        ...node.inputs.flatMap((input, position) => (input === name ? [{ node, position }] : [])),
        ...Object.values(node.attributes).flatMap((attribute) =>
          typeof attribute === 'object' && 'graph' in attribute ? within(attribute.graph().nodes) : [],
        ),
      ])
    return within(this.scopes[0].nodes)
  }

  /** A scalar constant, shared by all that ask for the same. */
  scalar(data: number, dtype: DType): Value {
    const key = `${dtype}:${Object.is(data, -0) ? '-0' : data}`
    let value = this.scalars.get(key)
    if (!value) this.scalars.set(key, (value = this.constant([data], [], dtype)))
    return value
  }

  /** Makes a value a result of every run. */
  output(name: string, value: Value): void {
    this.use(value)
    this.scope.outputs.push({ name, value })
  }

  /** Builds the body of a loop: what `build` emits, its inputs and outputs go there. It may use values of outer scopes. */
  protected body(build: () => void): Scope {
    const scope = newScope()
    this.scopes.push(scope)
    try {
      build()
    } finally {
      this.scopes.pop()
    }
    return scope
  }

  /** Adds an output to the body of a loop that is already built. */
  protected addOutput(scope: Scope, value: Value): void {
    scope.outputs.push({ name: this.fresh(), value })
  }

  /** Adds a node. With `rule`, its gradient is known (unless inside `untaped`). */
  emit(
    op: string,
    inputs: readonly Value[],
    outputs: readonly (readonly [DType, Shape])[],
    attributes: Readonly<Record<string, Attribute>> = {},
    rule?: TapeEntry['rule'],
    domain = '',
  ): Value[] {
    const values = outputs.map(([dtype, shape]) => this.value(this.fresh(), dtype, shape))
    const names = inputs.map((v) => this.use(v))
    this.scope.nodes.push({ op, domain, attributes, inputs: names, outputs: values.map((v) => v.name) })
    if (rule) this.record({ outputs: values, inputs, rule })
    return values
  }

  /** The node emitted last, for an operator that rewrites it when its gradient is asked for. */
  protected lastNode(): MutableNode {
    return this.scope.nodes[this.scope.nodes.length - 1]!
  }

  /** A further output of a node. */
  protected extend(node: MutableNode, dtype: DType, shape: Shape): Value {
    const value = this.value(this.fresh(), dtype, shape)
    node.outputs = [...node.outputs, value.name]
    return value
  }

  protected one(
    op: string,
    inputs: readonly Value[],
    shape: Shape,
    options: {
      dtype?: DType
      attributes?: Readonly<Record<string, Attribute>>
      rule?: (dy: Value, y: Value) => readonly Gradient[]
      domain?: string
    } = {},
  ): Value {
    const { rule } = options
    const [first] = inputs
    const y: Value = this.emit(
      op,
      inputs,
      [[options.dtype ?? first!.dtype, shape]],
      options.attributes,
      rule ? ([dy]) => (dy ? rule(dy, y) : []) : undefined,
      options.domain,
    )[0]!
    return y
  }

  /** Puts an operation with its own rule on the tape. */
  protected record(entry: TapeEntry): void {
    if (this.silent === 0) this.tape.push(entry)
  }

  /** Runs `build` without recording: for operations whose gradient is one rule over all of its nodes. */
  protected untaped<T>(build: () => T): T {
    this.silent++
    try {
      return build()
    } finally {
      this.silent--
    }
  }

  /** What is written of a scope. Outputs get their names through an Identity node. */
  protected recordOf(scope: Scope, initializers: readonly Initializer[] = []): GraphRecord {
    const identities = scope.outputs.map(({ name, value }) => ({
      op: 'Identity',
      domain: '',
      attributes: {},
      inputs: [value.name],
      outputs: [name],
    }))
    return {
      name: 'graph',
      nodes: [...scope.nodes, ...identities],
      initializers,
      inputs: scope.inputs,
      outputs: scope.outputs.map(({ name, value }) => ({ name, dtype: value.dtype, shape: value.shape })),
    }
  }

  /** What is written. */
  written(): GraphRecord {
    return this.recordOf(this.scopes[0], this.initializers)
  }

  /** The model's bytes (ONNX). */
  bytes(): Uint8Array {
    return encodeModel(this.written())
  }
}

const newScope = (): Scope => ({
  nodes: [],
  inputs: [],
  outputs: [],
  tape: [],
  names: new Set(),
  captured: new Map(),
})
