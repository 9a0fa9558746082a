import { GraphCore, type Gradient, type Value } from './core.js'
import { elementType } from './onnx.js'
import { elements, show, ShapeError, type Dim, type DType, type Shape } from './types.js'

/** The shape of an element-wise operation of two shapes (numpy's rules). */
export function broadcast(operator: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const out: Dim[] = []
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(operator, `${show(a)} and ${show(b)}: sizes ${x} and ${y} differ`)
    out.push(x === 1 ? y : x)
  }
  return out
}

/** Position of an axis counted from the end when negative, checked. */
export function axisOf(operator: string, shape: Shape, axis: number): number {
  const position = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(position) || position < 0 || position >= shape.length)
    throw new ShapeError(operator, `axis ${axis} of ${show(shape)}`)
  return position
}

/** Element-wise operators with broadcasting, and the sums and shapes that their gradients need. */
export class ElementwiseGraph extends GraphCore {
  private binary(
    op: string,
    a: Value,
    b: Value,
    rule?: (dy: Value, y: Value) => readonly [() => Value, () => Value],
    dtype?: DType,
  ): Value {
    if (a.dtype !== b.dtype) throw new ShapeError(op.toLowerCase(), `types ${a.dtype} and ${b.dtype} differ`)
    return this.one(op, [a, b], broadcast(op.toLowerCase(), a.shape, b.shape), {
      dtype: dtype ?? a.dtype,
      ...(rule && {
        rule: (dy, y): Gradient[] => {
          const [da, db] = rule(dy, y)
          return [() => this.reduceTo(da(), a.shape), () => this.reduceTo(db(), b.shape)]
        },
      }),
    })
  }

  private unary(op: string, x: Value, rule?: (dy: Value, y: Value) => Value): Value {
    return this.one(op, [x], x.shape, rule && { rule: (dy, y) => [() => rule(dy, y)] })
  }

  /** A scalar of x's type. */
  like(x: Value, data: number): Value {
    return this.scalar(data, x.dtype)
  }

  add(a: Value, b: Value): Value {
    return this.binary('Add', a, b, (dy) => [() => dy, () => dy])
  }
  sub(a: Value, b: Value): Value {
    return this.binary('Sub', a, b, (dy) => [() => dy, () => this.neg(dy)])
  }
  mul(a: Value, b: Value): Value {
    return this.binary('Mul', a, b, (dy) => [() => this.mul(dy, b), () => this.mul(dy, a)])
  }
  div(a: Value, b: Value): Value {
    return this.binary('Div', a, b, (dy, y) => [() => this.div(dy, b), () => this.neg(this.div(this.mul(dy, y), b))])
  }
  /** The larger of the two; where they are equal the gradient goes to `a`. */
  maximum(a: Value, b: Value): Value {
    return this.binary('Max', a, b, (dy) => [
      () => this.where(this.less(a, b), this.like(dy, 0), dy),
      () => this.where(this.less(a, b), dy, this.like(dy, 0)),
    ])
  }
  equal(a: Value, b: Value): Value {
    return this.binary('Equal', a, b, undefined, 'bool')
  }
  less(a: Value, b: Value): Value {
    return this.binary('Less', a, b, undefined, 'bool')
  }
  greater(a: Value, b: Value): Value {
    return this.less(b, a)
  }
  /** a where the condition holds, else b. */
  where(condition: Value, a: Value, b: Value): Value {
    const shape = broadcast('where', condition.shape, broadcast('where', a.shape, b.shape))
    return this.one('Where', [condition, a, b], shape, {
      dtype: a.dtype,
      rule: (dy) => [
        undefined,
        () => this.reduceTo(this.where(condition, dy, this.like(dy, 0)), a.shape),
        () => this.reduceTo(this.where(condition, this.like(dy, 0), dy), b.shape),
      ],
    })
  }
  neg(x: Value): Value {
    return this.unary('Neg', x, (dy) => this.neg(dy))
  }
  exp(x: Value): Value {
    return this.unary('Exp', x, (dy, y) => this.mul(dy, y))
  }
  log(x: Value): Value {
    return this.unary('Log', x, (dy) => this.div(dy, x))
  }
  sqrt(x: Value): Value {
    return this.unary('Sqrt', x, (dy, y) => this.div(this.mul(dy, this.like(x, 0.5)), y))
  }
  square(x: Value): Value {
    return this.mul(x, x)
  }
  abs(x: Value): Value {
    return this.unary('Abs', x, (dy) => this.mul(dy, this.unary('Sign', x)))
  }
  sigmoid(x: Value): Value {
    return this.unary('Sigmoid', x, (dy, y) => this.mul(dy, this.mul(y, this.sub(this.like(y, 1), y))))
  }
  /** x * sigmoid(x). */
  silu(x: Value): Value {
    const s = this.untaped(() => this.sigmoid(x))
    const y = this.untaped(() => this.mul(x, s))
    this.record({
      outputs: [y],
      inputs: [x],
      // d/dx = s + y (1 - s)
      rule: ([dy]) => [dy && (() => this.mul(dy, this.add(s, this.mul(y, this.sub(this.like(s, 1), s)))))],
    })
    return y
  }
  tanh(x: Value): Value {
    return this.unary('Tanh', x, (dy, y) => this.mul(dy, this.sub(this.like(y, 1), this.mul(y, y))))
  }
  /** cap * tanh(x / cap): nearly x where that is small, and never beyond the cap. */
  softcap(x: Value, cap: number): Value {
    return this.mul(this.tanh(this.mul(x, this.like(x, 1 / cap))), this.like(x, cap))
  }
  /** GELU by its tanh approximation (arXiv 1606.08415, section 2): x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
  geluTanh(x: Value): Value {
    const cubed = this.mul(this.mul(x, x), this.mul(x, this.like(x, 0.044715)))
    const inner = this.mul(this.add(x, cubed), this.like(x, Math.sqrt(2 / Math.PI)))
    return this.mul(this.mul(x, this.like(x, 0.5)), this.add(this.tanh(inner), this.like(x, 1)))
  }
  relu(x: Value): Value {
    return this.unary('Relu', x, (dy) => this.mul(dy, this.unary('Sign', this.unary('Relu', x))))
  }
  softplus(x: Value): Value {
    // max(x, 0) + log(1 + exp(-|x|)) does not overflow, and runs in float64 too
    const y = this.untaped(() =>
      this.add(this.relu(x), this.log(this.add(this.like(x, 1), this.exp(this.neg(this.abs(x)))))),
    )
    this.record({ outputs: [y], inputs: [x], rule: ([dy]) => [dy && (() => this.mul(dy, this.sigmoid(x)))] })
    return y
  }
  /** x to a constant power. */
  pow(x: Value, exponent: number): Value {
    const rule = (dy: Value) => [
      () => this.mul(dy, this.mul(this.like(x, exponent), this.pow(x, exponent - 1))),
      undefined,
    ]
    return this.one('Pow', [x, this.like(x, exponent)], x.shape, { rule })
  }
  cast(x: Value, dtype: DType): Value {
    if (x.dtype === dtype) return x
    return this.one('Cast', [x], x.shape, {
      dtype,
      attributes: { to: elementType[dtype] },
      rule: (dy) => [() => this.cast(dy, x.dtype)],
    })
  }
  /** The value, through which no gradient passes. */
  stopGradient(x: Value): Value {
    return this.untaped(() => this.one('Identity', [x], x.shape))
  }

  protected ints(values: readonly number[]): Value {
    return this.constant(values, [values.length], 'int64')
  }

  /** Sums over what broadcasting added, so that a gradient has the shape of its value. */
  reduceTo(x: Value, shape: Shape): Value {
    if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x
    const extra = x.shape.length - shape.length
    const axes = x.shape.flatMap((d, i) => (i < extra || (shape[i - extra] === 1 && d !== 1) ? [i] : []))
    const summed = axes.length ? this.sum(x, axes, true) : x
    return extra > 0 ? this.reshape(summed, shape) : summed.shape.length ? summed : this.expand(summed, shape)
  }

  private reduce(
    op: string,
    x: Value,
    axes: readonly number[] | undefined,
    keep: boolean,
    grad: 'sum' | 'mean',
  ): Value {
    const positions = (axes ?? x.shape.map((_, i) => i)).map((a) => axisOf(op.toLowerCase(), x.shape, a))
    const kept = x.shape.map((d, i) => (positions.includes(i) ? 1 : d))
    const shape = keep ? kept : x.shape.filter((_, i) => !positions.includes(i))
    if (positions.length === 0) return x
    return this.one(op, [x, this.ints(positions)], shape, {
      attributes: { keepdims: keep ? 1 : 0 },
      rule: (dy) => [
        () => {
          const wide = this.expand(this.reshape(dy, kept), x.shape)
          if (grad === 'sum') return wide
          const n = positions.reduce((m, p) => m * Number(x.shape[p]), 1)
          return this.mul(wide, this.like(dy, 1 / n))
        },
        undefined,
      ],
    })
  }
  /** Sum over axes (all by default). */
  sum(x: Value, axes?: readonly number[], keepdims = false): Value {
    return this.reduce('ReduceSum', x, axes, keepdims, 'sum')
  }
  mean(x: Value, axes?: readonly number[], keepdims = false): Value {
    return this.reduce('ReduceMean', x, axes, keepdims, 'mean')
  }
  /** The same elements in another shape; one symbolic size may stay where it is. */
  reshape(x: Value, shape: Shape): Value {
    if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x
    const symbols = (s: Shape) => s.filter((d) => typeof d === 'string')
    const known = (s: Shape) => elements(s.filter((d) => typeof d === 'number'))
    const [a, b] = [symbols(x.shape), symbols(shape)]
    if (a.length > 1 || a.length !== b.length || a[0] !== b[0] || known(x.shape) !== known(shape))
      throw new ShapeError('reshape', `${show(x.shape)} has not as many elements as ${show(shape)}`)
    const sizes = shape.map((d) => (typeof d === 'number' ? d : -1))
    return this.one('Reshape', [x, this.ints(sizes)], shape, {
      rule: (dy) => [() => this.reshape(dy, x.shape), undefined],
    })
  }
  /** Repeats along axes of size 1 (and in front) to a larger shape. */
  expand(x: Value, shape: Shape): Value {
    if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x
    const wide = broadcast('expand', x.shape, shape)
    if (show(wide) !== show(shape)) throw new ShapeError('expand', `${show(x.shape)} to ${show(shape)}`)
    return this.one('Expand', [x, this.ints(shape.map(Number))], shape, {
      rule: (dy) => [() => this.reduceTo(dy, x.shape), undefined],
    })
  }
  /** Zeros of a shape. */
  zeros(shape: Shape, dtype: Value['dtype'] = 'float32'): Value {
    return this.untaped(() => this.expand(this.scalar(0, dtype), shape))
  }
}
