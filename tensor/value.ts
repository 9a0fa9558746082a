import type { Graph } from './graph.js'
import type { DType, Shape } from './types.js'

/** A tensor in a graph under construction: a name with a type and a shape, not data. */
export interface Value {
  /** The graph the value belongs to, with all of its operators: `x.graph.add(x, y)`. */
  readonly graph: Graph
  /** Unique within the graph. */
  readonly name: string
  /** Type of the elements. */
  readonly dtype: DType
  /** Sizes of the axes. */
  readonly shape: Shape
}

/** Builds the gradient of one input; called only if that gradient is needed. Undefined: the input has no gradient. */
export type Gradient = (() => Value) | undefined

/** What `gradients` needs to know about an operation. */
export interface TapeEntry {
  readonly outputs: readonly Value[]
  readonly inputs: readonly Value[]
  /**
   * Vector-Jacobian product of the operation.
   * @param dy      gradients of the outputs; undefined stands for zero
   * @param wanted  which inputs need a gradient
   * @returns gradients of the inputs
   */
  readonly rule: (dy: readonly (Value | undefined)[], wanted: readonly boolean[]) => readonly Gradient[]
}
