import { axisOf } from './shapes.js'
import { show, ShapeError, type Dim } from './types.js'
import { UnaryGraph } from './unary.js'
import type { Value } from './value.js'

/** Further reductions, and operators that rearrange a tensor. A negative axis counts from the end. */
export class ShapingGraph extends UnaryGraph {
  /**
   * Sums the squares of all elements.
   *
   * @example x [8, 128]: `g.sumOfSquares(x)` → []. ONNX: ReduceSumSquare
   */
  sumOfSquares(x: Value): Value {
    return this.one('ReduceSumSquare', [x], [], {
      attributes: { keepdims: 0 },
      rule: (dy) => [() => this.mul(this.mul(x, this.like(x, 2)), dy)],
    })
  }

  /**
   * Takes the maximum over axes; ties share the gradient.
   *
   * @param keepdims  keeps the reduced axes with size 1. @default false
   * @throws ShapeError if x does not have an axis
   * @example x [8, 128]: `g.max(x, [1])` → [8]. ONNX: ReduceMax
   */
  max(x: Value, axes: readonly number[], keepdims = false): Value {
    const positions = axes.map((a) => axisOf('max', x.shape, a))
    const kept = x.shape.map((d, i) => (positions.includes(i) ? 1 : d))
    const shape = keepdims ? kept : x.shape.filter((_, i) => !positions.includes(i))
    return this.one('ReduceMax', [x, this.ints(positions)], shape, {
      attributes: { keepdims: keepdims ? 1 : 0 },
      rule: (dy, y) => [
        () => {
          const hit = this.cast(this.equal(x, this.reshape(y, kept)), x.dtype)
          return this.div(this.mul(hit, this.reshape(dy, kept)), this.sum(hit, positions, true))
        },
        undefined,
      ],
    })
  }

  /**
   * Computes the running sum along an axis, each element included.
   *
   * @param reverse  sums from the end. @default false
   * @throws ShapeError if x does not have the axis
   * @example x [8, 128]: `g.cumsum(x, 1)` → [8, 128]. ONNX: CumSum
   */
  cumsum(x: Value, axis: number, reverse = false): Value {
    const position = axisOf('cumsum', x.shape, axis)
    return this.one('CumSum', [x, this.scalar(position, 'int64')], x.shape, {
      attributes: { reverse: reverse ? 1 : 0 },
      rule: (dy) => [() => this.cumsum(dy, position, !reverse), undefined],
    })
  }

  /**
   * Inserts an axis of size 1.
   *
   * @example x [8, 128]: `g.unsqueeze(x, 1)` → [8, 1, 128]. ONNX: Reshape
   */
  unsqueeze(x: Value, axis: number): Value {
    const position = axis < 0 ? axis + x.shape.length + 1 : axis
    return this.reshape(x, [...x.shape.slice(0, position), 1, ...x.shape.slice(position)])
  }

  /**
   * Removes an axis of size 1.
   *
   * @throws ShapeError if the axis has another size
   * @example x [8, 1, 128]: `g.squeeze(x, 1)` → [8, 128]. ONNX: Reshape
   */
  squeeze(x: Value, axis: number): Value {
    const position = axisOf('squeeze', x.shape, axis)
    if (x.shape[position] !== 1)
      throw new ShapeError('squeeze', `axis ${axis} of ${show(x.shape)} does not have size 1`)
    return this.reshape(
      x,
      x.shape.filter((_, i) => i !== position),
    )
  }

  /**
   * Permutes the axes: axis i of the result is axis perm[i] of x.
   *
   * @throws ShapeError if `perm` is not a permutation of x's axes
   * @example x [2, 8, 128]: `g.transpose(x, [1, 0, 2])` → [8, 2, 128]. ONNX: Transpose
   */
  transpose(x: Value, perm: readonly number[]): Value {
    if (perm.length !== x.shape.length || new Set(perm).size !== perm.length)
      throw new ShapeError('transpose', `[${perm.join(', ')}] is not a permutation of the axes of ${show(x.shape)}`)
    const shape = perm.map((p) => x.shape[axisOf('transpose', x.shape, p)] as Dim)
    const inverse = perm.map((_, i) => perm.indexOf(i))
    return this.one('Transpose', [x], shape, {
      attributes: { perm },
      rule: (dy) => [() => this.transpose(dy, inverse)],
    })
  }

  /**
   * Takes the elements `start` to `end` - 1 along an axis.
   *
   * @throws ShapeError if the range is not within the axis
   * @example x [8, 128]: `g.slice(x, 1, 0, 64)` → [8, 64]. ONNX: Slice
   */
  slice(x: Value, axis: number, start: number, end: number): Value {
    const position = axisOf('slice', x.shape, axis)
    const size = x.shape[position]
    if (start < 0 || end < start || (typeof size === 'number' && end > size))
      throw new ShapeError('slice', `${start}..${end} is not within axis ${axis} of ${show(x.shape)}`)
    const shape = x.shape.map((d, i) => (i === position ? end - start : d))
    return this.one('Slice', [x, this.ints([start]), this.ints([end]), this.ints([position])], shape, {
      rule: (dy) => [
        () => {
          const pads = Array<number>(2 * x.shape.length).fill(0)
          pads[position] = start
          pads[x.shape.length + position] = Number(size) - end
          return this.one('Pad', [dy, this.ints(pads)], x.shape)
        },
        undefined,
        undefined,
        undefined,
      ],
    })
  }

  /**
   * Splits along an axis into parts of the given sizes.
   *
   * @throws ShapeError if the sizes do not add up to that of the axis
   * @example x [8, 128]: `g.split(x, 1, [96, 32])` → [8, 96] and [8, 32]. ONNX: Split
   */
  split(x: Value, axis: number, sizes: readonly number[]): Value[] {
    const position = axisOf('split', x.shape, axis)
    const total = sizes.reduce((a, b) => a + b, 0)
    if (total !== x.shape[position])
      throw new ShapeError('split', `axis ${axis} of ${show(x.shape)} cannot be split into ${show(sizes)}`)
    const shapes = sizes.map((size) => x.shape.map((d, i) => (i === position ? size : d)))
    return this.emit(
      'Split',
      [x, this.ints(sizes)],
      shapes.map((shape) => [x.dtype, shape] as const),
      { axis: position },
      (dy) => [
        () =>
          this.concat(
            dy.map((d, i) => d ?? this.zeros(shapes[i]!, x.dtype)),
            position,
          ),
        undefined,
      ],
    )
  }

  /**
   * Cuts an axis of symbolic size in two. It serves decoding and has no gradient.
   *
   * @param at    size of the first part
   * @param rest  size of the second part, a number or a name
   * @example x [8, 'slots']: `g.cut(x, 1, 1, 'rest')` → [8, 1] and [8, 'rest']. ONNX: Slice, twice
   */
  cut(x: Value, axis: number, at: number, rest: Dim): [before: Value, after: Value] {
    const position = axisOf('cut', x.shape, axis)
    const part = (start: number, end: number, size: Dim) =>
      this.one(
        'Slice',
        [x, this.ints([start]), this.ints([end]), this.ints([position])],
        x.shape.map((d, i) => (i === position ? size : d)),
      )
    return [part(0, at, at), part(at, 2 ** 31 - 1, rest)]
  }

  /**
   * Concatenates along an axis.
   *
   * @throws ShapeError if sizes other than that of the axis differ
   * @example x [8, 96], y [8, 32]: `g.concat([x, y], 1)` → [8, 128]. ONNX: Concat
   */
  concat(xs: readonly Value[], axis: number): Value {
    const [first] = xs
    const position = axisOf('concat', first!.shape, axis)
    for (const x of xs)
      if (x.shape.length !== first!.shape.length || x.shape.some((d, i) => i !== position && d !== first!.shape[i]))
        throw new ShapeError(
          'concat',
          xs.map((v) => show(v.shape)).join(' and ') + `: sizes other than that of axis ${axis} differ`,
        )
    const sizes = xs.map((x) => x.shape[position] as Dim)
    const total = sizes.every((s) => typeof s === 'number') ? sizes.reduce((a, b) => a + b, 0) : sizes.join('+')
    let start = 0
    const starts = sizes.map((s) => (typeof s === 'number' ? (start += s) - s : NaN))
    return this.one(
      'Concat',
      xs,
      first!.shape.map((d, i) => (i === position ? total : d)),
      {
        attributes: { axis: position },
        rule: (dy) => xs.map((_, i) => () => this.slice(dy, position, starts[i]!, starts[i]! + Number(sizes[i]))),
      },
    )
  }
}
