import { GraphCore, type Gradient, type Value } from './core.js'
import { elementType } from './onnx.js'
import { show, ShapeError, type Dim, type DType, type Shape } from './types.js'

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

/** Element-wise operators, with broadcasting. */
export class ElementwiseGraph extends GraphCore {
  private binary(
    op: string,
    a: Value,
    b: Value,
    rule?: (dy: Value, y: Value) => readonly [() => Value, () => Value],
    dtype?: DType,
  ): Value {
    if (a.dtype !== b.dtype) throw new ShapeError(op.toLowerCase(), `types ${a.dtype} and ${b.dtype} differ`)
    const g = this.self
    return this.one(op, [a, b], broadcast(op.toLowerCase(), a.shape, b.shape), {
      dtype: dtype ?? a.dtype,
      ...(rule && {
        rule: (dy, y): Gradient[] => {
          const [da, db] = rule(dy, y)
          return [() => g.reduceTo(da(), a.shape), () => g.reduceTo(db(), b.shape)]
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
    const g = this.self
    return this.binary('Max', a, b, (dy) => [
      () => g.where(this.less(a, b), this.like(dy, 0), dy),
      () => g.where(this.less(a, b), dy, this.like(dy, 0)),
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
    const g = this.self
    const shape = broadcast('where', condition.shape, broadcast('where', a.shape, b.shape))
    return this.one('Where', [condition, a, b], shape, {
      dtype: a.dtype,
      rule: (dy) => [
        undefined,
        () => g.reduceTo(g.where(condition, dy, this.like(dy, 0)), a.shape),
        () => g.reduceTo(g.where(condition, this.like(dy, 0), dy), b.shape),
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
}
