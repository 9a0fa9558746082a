import { axisOf } from './shapes.js'
import { ShapingGraph } from './shaping.js'
import type { Dim, Shape } from './types.js'
import type { Value } from './value.js'

/** Operators that look elements up by index, or return indices (int64). A negative axis counts from the end. */
export class IndexingGraph extends ShapingGraph {
  /**
   * Looks up slices of x along an axis; the shape of `indices` replaces the axis. Slices that occur more than once
   * add up their gradients.
   *
   * @param indices  int64, any shape
   * @param axis     @default 0
   * @throws ShapeError if x does not have the axis
   * @example x [1000, 128], tokens int64 [8]: `g.gather(x, tokens)` → [8, 128]. ONNX: Gather
   */
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

  /**
   * Looks up single elements along an axis: for axis 1, out[i, j] = x[i, indices[i, j]].
   *
   * @param indices  int64, as many axes as x
   * @throws ShapeError if x does not have the axis
   * @example logits [8, 1000], labels int64 [8, 1]: `g.gatherElements(logits, labels, 1)` → [8, 1]. ONNX: GatherElements
   */
  gatherElements(x: Value, indices: Value, axis: number): Value {
    const position = axisOf('gatherElements', x.shape, axis)
    return this.one('GatherElements', [x, indices], indices.shape, {
      attributes: { axis: position },
      rule: (dy) => [() => this.scatterAdd(x.shape, indices, dy, position), undefined],
    })
  }

  /** Adds `updates` to zeros of a shape, at `indices` along an axis: the transpose of `gatherElements`. */
  private scatterAdd(shape: Shape, indices: Value, updates: Value, axis: number): Value {
    return this.untaped(() =>
      this.one('ScatterElements', [this.zeros(shape, updates.dtype), indices, updates], shape, {
        attributes: { axis, reduction: 'add' },
      }),
    )
  }

  /**
   * Finds the index of the largest element along an axis, the first one in a tie. It has no gradient.
   *
   * @throws ShapeError if x does not have the axis
   * @example logits [8, 1000]: `g.argmax(logits, 1)` → int64 [8]. ONNX: ArgMax
   */
  argmax(x: Value, axis: number): Value {
    const position = axisOf('argmax', x.shape, axis)
    return this.one(
      'ArgMax',
      [x],
      x.shape.filter((_, i) => i !== position),
      { dtype: 'int64', attributes: { axis: position, keepdims: 0 } },
    )
  }

  /**
   * Finds the k largest elements along the last axis, in descending order, and their indices.
   *
   * @example logits [8, 1000]: `g.topk(logits, 5)` → values [8, 5] and indices int64 [8, 5]. ONNX: TopK
   */
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
