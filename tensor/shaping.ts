import type { Value } from './core.js'
import { axisOf, ElementwiseGraph } from './elementwise.js'
import { show, ShapeError, type Dim, type Shape } from './types.js'

/** Rearranging, reducing and picking. */
export class ShapingGraph extends ElementwiseGraph {
  /** Sum of all squares, a scalar. */
  sumOfSquares(x: Value): Value {
    return this.one('ReduceSumSquare', [x], [], {
      attributes: { keepdims: 0 },
      rule: (dy) => [() => this.mul(this.mul(x, this.like(x, 2)), dy)],
    })
  }
  /** Largest over axes; ties share the gradient. */
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
  /** Running sum along an axis. */
  cumsum(x: Value, axis: number, reverse = false): Value {
    const position = axisOf('cumsum', x.shape, axis)
    return this.one('CumSum', [x, this.scalar(position, 'int64')], x.shape, {
      attributes: { reverse: reverse ? 1 : 0 },
      rule: (dy) => [() => this.cumsum(dy, position, !reverse), undefined],
    })
  }

  unsqueeze(x: Value, axis: number): Value {
    const position = axis < 0 ? axis + x.shape.length + 1 : axis
    return this.reshape(x, [...x.shape.slice(0, position), 1, ...x.shape.slice(position)])
  }
  squeeze(x: Value, axis: number): Value {
    const position = axisOf('squeeze', x.shape, axis)
    if (x.shape[position] !== 1) throw new ShapeError('squeeze', `axis ${axis} of ${show(x.shape)} is not 1`)
    return this.reshape(
      x,
      x.shape.filter((_, i) => i !== position),
    )
  }
  transpose(x: Value, perm: readonly number[]): Value {
    if (perm.length !== x.shape.length || new Set(perm).size !== perm.length)
      throw new ShapeError('transpose', `${show(x.shape)} by [${perm.join(', ')}]`)
    const shape = perm.map((p) => x.shape[axisOf('transpose', x.shape, p)] as Dim)
    const inverse = perm.map((_, i) => perm.indexOf(i))
    return this.one('Transpose', [x], shape, {
      attributes: { perm },
      rule: (dy) => [() => this.transpose(dy, inverse)],
    })
  }
  /** Elements start..end-1 along an axis. */
  slice(x: Value, axis: number, start: number, end: number): Value {
    const position = axisOf('slice', x.shape, axis)
    const size = x.shape[position]
    if (start < 0 || end < start || (typeof size === 'number' && end > size))
      throw new ShapeError('slice', `${start}..${end} of axis ${axis} of ${show(x.shape)}`)
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
  split(x: Value, axis: number, sizes: readonly number[]): Value[] {
    const position = axisOf('split', x.shape, axis)
    const total = sizes.reduce((a, b) => a + b, 0)
    if (total !== x.shape[position])
      throw new ShapeError('split', `axis ${axis} of ${show(x.shape)} into ${show(sizes)}`)
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
  /** The elements before `at` and the rest along an axis whose size is symbolic. For decoding: no gradient. */
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
  concat(xs: readonly Value[], axis: number): Value {
    const [first] = xs
    const position = axisOf('concat', first!.shape, axis)
    for (const x of xs)
      if (x.shape.length !== first!.shape.length || x.shape.some((d, i) => i !== position && d !== first!.shape[i]))
        throw new ShapeError(
          'concat',
          xs.map((v) => show(v.shape)).join(' and ') + `: sizes beside axis ${axis} differ`,
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
  /** Slices of `x` along an axis by int64 indices: x.shape with the axis replaced by indices' shape. */
  gather(x: Value, indices: Value, axis = 0): Value {
    const position = axisOf('gather', x.shape, axis)
    const shape = [...x.shape.slice(0, position), ...indices.shape, ...x.shape.slice(position + 1)]
    return this.one('Gather', [x, indices], shape, {
      attributes: { axis: position },
      rule: (dy) => [
        () => {
          const r = indices.shape.length
          const front = [
            ...indices.shape.map((_, i) => position + i),
            ...x.shape.slice(0, position).map((_, i) => i),
            ...x.shape.slice(position + 1).map((_, i) => position + r + i),
          ]
          const moved = position === 0 ? dy : this.transpose(dy, front)
          const order = [position, ...x.shape.map((_, i) => i).filter((i) => i !== position)]
          const target = order.map((i) => x.shape[i] as Dim)
          const [summed] = this.emit(
            'ScatterND',
            [this.zeros(target, x.dtype), this.unsqueeze(indices, r), moved],
            [[x.dtype, target]],
            { reduction: 'add' },
          )
          return position === 0
            ? summed!
            : this.transpose(
                summed!,
                order.map((_, i) => order.indexOf(i)),
              )
        },
        undefined,
      ],
    })
  }
  /** out[i][j] = x[i][indices[i][j]] along an axis. */
  gatherElements(x: Value, indices: Value, axis: number): Value {
    const position = axisOf('gatherElements', x.shape, axis)
    return this.one('GatherElements', [x, indices], indices.shape, {
      attributes: { axis: position },
      rule: (dy) => [() => this.scatterAdd(x.shape, indices, dy, position), undefined],
    })
  }
  /** Zeros of a shape with `updates` added at `indices` along an axis. */
  private scatterAdd(shape: Shape, indices: Value, updates: Value, axis: number): Value {
    return this.untaped(() =>
      this.one('ScatterElements', [this.zeros(shape, updates.dtype), indices, updates], shape, {
        attributes: { axis, reduction: 'add' },
      }),
    )
  }
  /** Index of the largest along an axis, int64; the first of equals. */
  argmax(x: Value, axis: number): Value {
    const position = axisOf('argmax', x.shape, axis)
    return this.one(
      'ArgMax',
      [x],
      x.shape.filter((_, i) => i !== position),
      { dtype: 'int64', attributes: { axis: position, keepdims: 0 } },
    )
  }
  /** The k largest along the last axis, largest first, with their indices (int64). */
  topk(x: Value, k: number): { values: Value; indices: Value } {
    const axis = axisOf('topk', x.shape, -1)
    const shape = [...x.shape.slice(0, -1), k]
    const [values, indices]: Value[] = this.emit(
      'TopK',
      [x, this.ints([k])],
      [
        [x.dtype, shape],
        ['int64', shape],
      ],
      { axis },
      ([dy]) => [dy && (() => this.scatterAdd(x.shape, indices!, dy, axis)), undefined],
    )
    return { values: values!, indices: indices! }
  }
}
