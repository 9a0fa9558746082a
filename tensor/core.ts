import { encodeModel, type Attribute, type Band, type GraphRecord, type Initializer, type NodeRecord } from './onnx.js'
import { toFloat16 } from './float16.js'
import { newScope, type Scope } from './scope.js'
import { allocate, elements, show, ShapeError } from './types.js'
import type { DType, Shape, TypedArray } from './types.js'
import type { Gradient, TapeEntry, Value } from './value.js'

/** A node that an operator may still rewrite when its gradient is requested. */
export type MutableNode = { -readonly [K in keyof NodeRecord]: NodeRecord[K] }

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

/** Nodes, names and the tape: the foundation of every operator. */
export abstract class GraphCore {
  private readonly scopes: [Scope, ...Scope[]] = [newScope()]
  private readonly initializers: Initializer[] = []
  private readonly scalars = new Map<string, Value>()
  private readonly constants = new Set<string>()
  /** Placeholders, by name, that ordinary operators must refuse, and the reason. */
  private readonly handles = new Map<string, string>()
  private next = 0
  private silent = 0

  private get scope(): Scope {
    return this.scopes[this.scopes.length - 1]!
  }
  /** Differentiable operations recorded so far in the scope under construction. */
  get tape(): TapeEntry[] {
    return this.scope.tape
  }

  /** An unused name. */
  protected fresh(): string {
    return `_${this.next++}`
  }

  private value(name: string, dtype: DType, shape: Shape, scope = this.scope): Value {
    if (scope.names.has(name)) throw new Error(`The graph already has a value named "${name}"`)
    scope.names.add(name)
    return { graph: this.whole, name, dtype, shape }
  }

  /** Records that the current scope uses a value. */
  private use(value: Value): string {
    if (value.graph !== this.whole) throw new Error(`Value "${value.name}" belongs to another graph`)
    const refusal = this.handles.get(value.name)
    if (refusal !== undefined) throw new ShapeError('value', refusal)
    for (let i = this.scopes.length - 1; i >= 0; i--) {
      const scope = this.scopes[i]!
      if (scope.names.has(value.name)) return value.name
      if (!this.constants.has(value.name)) scope.captured.set(value.name, value)
    }
    throw new Error(`Value "${value.name}" is used outside the loop body that creates it`)
  }

  /** This instance as a `Graph`, the only class that is ever instantiated. */
  private get whole(): Value['graph'] {
    return this as GraphCore as Value['graph']
  }

  // Differentiation needs these three: `add` accumulates gradients, `expand` seeds them, `zeros` fills in missing ones.
  abstract add(a: Value, b: Value): Value
  abstract expand(x: Value, shape: Shape): Value
  abstract zeros(shape: Shape, dtype?: DType): Value

  /**
   * Declares a tensor that is fed on every run.
   *
   * @param name  unique; names that begin with "_" are reserved
   * @throws Error if the name is taken
   * @example `g.input('x', 'float32', [8, 128])` → [8, 128]. ONNX: no node, a graph input
   */
  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.value(name, dtype, shape)
    this.scope.inputs.push(value)
    return value
  }

  /**
   * Embeds a tensor in the model.
   *
   * @param data   numbers are converted to `dtype`; typed arrays keep their type
   * @param shape  @default [] for a number, otherwise [data.length]
   * @param dtype  @default 'float32' for numbers, otherwise the array's type
   * @throws ShapeError if the data does not fill the shape, or a typed array is not of type `dtype`
   * @example `g.constant([1, 2, 3, 4], [2, 2])` → [2, 2]. ONNX: no node, an initializer
   */
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
    if (dtype && type !== dtype) throw new ShapeError('constant', `the data is ${type}, not ${dtype}`)
    const array = typed ? numbers : fromNumbers(numbers, type)
    const name = this.fresh()
    this.initializers.push({ name, dtype: type, shape: wanted, data: array, ...(band && { band }) })
    this.constants.add(name)
    return this.value(name, type, wanted, this.scopes[0])
  }

  /** Creates a placeholder for other values. Only operators that know it accept it; all others throw `refusal`. */
  protected handle(dtype: DType, shape: Shape, refusal: string): Value {
    const name = this.fresh()
    this.handles.set(name, refusal)
    return { graph: this.whole, name, dtype, shape }
  }

  /** Lists the nodes that use a value, including those in loop bodies, with the position of the input. */
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

  /**
   * Returns a scalar constant; equal scalars share one initializer.
   *
   * @example `g.scalar(0.5, 'float32')` → []. ONNX: no node, an initializer
   */
  scalar(data: number, dtype: DType): Value {
    const key = `${dtype}:${Object.is(data, -0) ? '-0' : data}`
    let value = this.scalars.get(key)
    if (!value) this.scalars.set(key, (value = this.constant([data], [], dtype)))
    return value
  }

  /**
   * Returns a value from every run under a name.
   *
   * @throws Error if the value belongs to another graph or to a loop body that has ended
   * @example x [8, 128]: `g.output('y', x)`. ONNX: Identity, when the model is written
   */
  output(name: string, value: Value): void {
    this.use(value)
    this.scope.outputs.push({ name, value })
  }

  /** Builds a loop body from the nodes, inputs and outputs that `build` creates. It may use values of enclosing scopes. */
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

  /** Adds an output to a finished loop body. */
  protected addOutput(scope: Scope, value: Value): void {
    scope.outputs.push({ name: this.fresh(), value })
  }

  /**
   * Adds a node for an ONNX operator that has no method of its own.
   *
   * @param op          name of the operator
   * @param outputs     type and shape of each output; not checked against the operator
   * @param attributes  numbers are integers; write a float as `{ float: 0.5 }`
   * @param rule        gradient of the operation; without it, none flows through the node
   * @param domain      operator set; onnxruntime's own is 'com.microsoft'. @default '', ONNX itself
   * @returns one value per output
   * @example x [2, 3]: `g.emit('Erf', [x], [[x.dtype, x.shape]])` → [2, 3]. ONNX: Erf
   */
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

  /** The most recent node, for an operator that rewrites it when its gradient is requested. */
  protected lastNode(): MutableNode {
    return this.scope.nodes[this.scope.nodes.length - 1]!
  }

  /** Adds an output to a node. */
  protected extend(node: MutableNode, dtype: DType, shape: Shape): Value {
    const value = this.value(this.fresh(), dtype, shape)
    node.outputs = [...node.outputs, value.name]
    return value
  }

  /** Adds a node with one output, whose type defaults to that of the first input. */
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

  /** Records an operation that brings its own gradient rule. */
  protected record(entry: TapeEntry): void {
    if (this.silent === 0) this.tape.push(entry)
  }

  /** Runs `build` without recording: for operations with one gradient rule for all of their nodes. */
  protected untaped<T>(build: () => T): T {
    this.silent++
    try {
      return build()
    } finally {
      this.silent--
    }
  }

  /** A scope in ONNX form. Identity nodes give the outputs their names. */
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

  /** Returns the model in ONNX form. */
  written(): GraphRecord {
    return this.recordOf(this.scopes[0], this.initializers)
  }

  /** Serialises the model as ONNX (opset 21). */
  bytes(): Uint8Array {
    return encodeModel(this.written())
  }
}
