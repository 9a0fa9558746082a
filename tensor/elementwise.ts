import { GraphCore } from './core.js'
import { elementType } from './onnx.js'
import { axisOf, broadcast } from './shapes.js'
import { elements, show, ShapeError, type DType, type Shape } from './types.js'
import type { Gradient, Value } from './value.js'

/**
 * Element-wise operators, and the reductions and reshapes that their gradients need. Binary operators broadcast by NumPy's
 * rules and require both inputs to have the same type.
 */
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

  protected unary(op: string, x: Value, rule?: (dy: Value, y: Value) => Value): Value {
    return this.one(op, [x], x.shape, rule && { rule: (dy, y) => [() => rule(dy, y)] })
  }

  /**
   * Returns a scalar constant of x's type.
   *
   * @example x float64 [8, 128]: `g.like(x, 0.5)` → float64 []. ONNX: no node, an initializer
   */
  like(x: Value, data: number): Value {
    return this.scalar(data, x.dtype)
  }

  /**
   * Adds, a + b.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], bias [128]: `g.add(x, bias)` → [8, 128]. ONNX: Add
   */
  add(a: Value, b: Value): Value {
    return this.binary('Add', a, b, (dy) => [() => dy, () => dy])
  }

  /**
   * Subtracts, a - b.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], mean [8, 1]: `g.sub(x, mean)` → [8, 128]. ONNX: Sub
   */
  sub(a: Value, b: Value): Value {
    return this.binary('Sub', a, b, (dy) => [() => dy, () => this.neg(dy)])
  }

  /**
   * Multiplies element by element, a * b. For the matrix product see `matmul`.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], scale []: `g.mul(x, scale)` → [8, 128]. ONNX: Mul
   */
  mul(a: Value, b: Value): Value {
    return this.binary('Mul', a, b, (dy) => [() => this.mul(dy, b), () => this.mul(dy, a)])
  }

  /**
   * Divides, a / b.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], sum [8, 1]: `g.div(x, sum)` → [8, 128]. ONNX: Div
   */
  div(a: Value, b: Value): Value {
    return this.binary('Div', a, b, (dy, y) => [() => this.div(dy, b), () => this.neg(this.div(this.mul(dy, y), b))])
  }

  /**
   * Takes the larger of a and b, element by element; a tie gives the gradient to `a`. For the maximum along an axis see `max`.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], floor []: `g.maximum(x, floor)` → [8, 128]. ONNX: Max
   */
  maximum(a: Value, b: Value): Value {
    return this.binary('Max', a, b, (dy) => [
      () => this.where(this.less(a, b), this.like(dy, 0), dy),
      () => this.where(this.less(a, b), dy, this.like(dy, 0)),
    ])
  }

  /**
   * Compares, a == b; the result is bool and has no gradient.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], y [128]: `g.equal(x, y)` → bool [8, 128]. ONNX: Equal
   */
  equal(a: Value, b: Value): Value {
    return this.binary('Equal', a, b, undefined, 'bool')
  }

  /**
   * Compares, a < b; the result is bool and has no gradient.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], y [128]: `g.less(x, y)` → bool [8, 128]. ONNX: Less
   */
  less(a: Value, b: Value): Value {
    return this.binary('Less', a, b, undefined, 'bool')
  }

  /**
   * Compares, a > b; the result is bool and has no gradient.
   *
   * @throws ShapeError if the types differ or the shapes do not broadcast
   * @example x [8, 128], y [128]: `g.greater(x, y)` → bool [8, 128]. ONNX: Less, with the inputs swapped
   */
  greater(a: Value, b: Value): Value {
    return this.less(b, a)
  }

  /**
   * Selects from `a` where the condition is true and from `b` where it is false.
   *
   * @param condition  bool
   * @throws ShapeError if the shapes do not broadcast
   * @example mask bool [8, 128], a [8, 128], b []: `g.where(mask, a, b)` → [8, 128]. ONNX: Where
   */
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

  /**
   * Negates, -x.
   *
   * @example x [8, 128]: `g.neg(x)` → [8, 128]. ONNX: Neg
   */
  neg(x: Value): Value {
    return this.unary('Neg', x, (dy) => this.neg(dy))
  }

  /**
   * Converts to another type; a value that already has it is returned unchanged. The gradient is converted back.
   *
   * @example x [8, 128]: `g.cast(x, 'float16')` → float16 [8, 128]. ONNX: Cast
   */
  cast(x: Value, dtype: DType): Value {
    if (x.dtype === dtype) return x
    return this.one('Cast', [x], x.shape, {
      dtype,
      attributes: { to: elementType[dtype] },
      rule: (dy) => [() => this.cast(dy, x.dtype)],
    })
  }

  /**
   * Returns x and blocks its gradient.
   *
   * @example x [8, 128]: `g.stopGradient(x)` → [8, 128]. ONNX: Identity
   */
  stopGradient(x: Value): Value {
    return this.untaped(() => this.one('Identity', [x], x.shape))
  }

  protected ints(values: readonly number[]): Value {
    return this.constant(values, [values.length], 'int64')
  }

  /**
   * Sums over the axes that broadcasting added or widened: the transpose of `expand`.
   *
   * @example x [8, 128]: `g.reduceTo(x, [128])` → [128]. ONNX: ReduceSum, Reshape
   */
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

  /**
   * Sums over axes.
   *
   * @param axes      negative ones count from the end. @default all axes
   * @param keepdims  keeps the summed axes with size 1. @default false
   * @throws ShapeError if x does not have an axis
   * @example x [8, 128]: `g.sum(x, [1], true)` → [8, 1]. ONNX: ReduceSum
   */
  sum(x: Value, axes?: readonly number[], keepdims = false): Value {
    return this.reduce('ReduceSum', x, axes, keepdims, 'sum')
  }

  /**
   * Averages over axes.
   *
   * @param axes      negative ones count from the end. @default all axes
   * @param keepdims  keeps the averaged axes with size 1. @default false
   * @throws ShapeError if x does not have an axis
   * @example x [8, 128]: `g.mean(x)` → []. ONNX: ReduceMean
   */
  mean(x: Value, axes?: readonly number[], keepdims = false): Value {
    return this.reduce('ReduceMean', x, axes, keepdims, 'mean')
  }

  /**
   * Arranges the same elements, in row-major order, in another shape.
   *
   * @param shape  may keep one symbolic size of x
   * @throws ShapeError if the numbers of elements differ
   * @example x [8, 128]: `g.reshape(x, [2, 4, 128])` → [2, 4, 128]. ONNX: Reshape
   */
  reshape(x: Value, shape: Shape): Value {
    if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x
    const symbols = (s: Shape) => s.filter((d) => typeof d === 'string')
    const known = (s: Shape) => elements(s.filter((d) => typeof d === 'number'))
    const [a, b] = [symbols(x.shape), symbols(shape)]
    if (a.length > 1 || a.length !== b.length || a[0] !== b[0] || known(x.shape) !== known(shape))
      throw new ShapeError('reshape', `${show(x.shape)} does not have as many elements as ${show(shape)}`)
    const sizes = shape.map((d) => (typeof d === 'number' ? d : -1))
    return this.one('Reshape', [x, this.ints(sizes)], shape, {
      rule: (dy) => [() => this.reshape(dy, x.shape), undefined],
    })
  }

  /**
   * Broadcasts to a larger shape by repeating axes of size 1 and adding axes in front.
   *
   * @throws ShapeError if x does not broadcast to the shape
   * @example x [8, 1]: `g.expand(x, [2, 8, 128])` → [2, 8, 128]. ONNX: Expand
   */
  expand(x: Value, shape: Shape): Value {
    if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x
    const wide = broadcast('expand', x.shape, shape)
    if (show(wide) !== show(shape))
      throw new ShapeError('expand', `${show(x.shape)} does not broadcast to ${show(shape)}`)
    return this.one('Expand', [x, this.ints(shape.map(Number))], shape, {
      rule: (dy) => [() => this.reduceTo(dy, x.shape), undefined],
    })
  }

  /**
   * Creates a tensor of zeros.
   *
   * @param dtype  @default 'float32'
   * @example `g.zeros([2, 3])` → [2, 3]. ONNX: Expand, of a scalar
   */
  zeros(shape: Shape, dtype: DType = 'float32'): Value {
    return this.untaped(() => this.expand(this.scalar(0, dtype), shape))
  }
}
