import type { GraphCore } from './core.js'
import { elements, show, ShapeError } from './types.js'
import type { Value } from './value.js'

/**
 * Differentiates a scalar, in reverse mode, by adding the nodes that compute its gradients to the graph.
 *
 * @param loss  a value with one element, created in the scope under construction
 * @param wrt   inputs or intermediate values
 * @returns one gradient per value of `wrt`, in its shape; zeros if the loss does not depend on it
 * @throws ShapeError if the loss does not have exactly one element
 * @example
 * ```ts
 * const loss = g.mean(g.square(g.sub(y, target))) // []
 * const [dw] = gradients(loss, [w]) // the shape of w
 * ```
 */
export function gradients(loss: Value, wrt: readonly Value[]): Value[] {
  if (elements(loss.shape) !== 1)
    throw new ShapeError('gradients', `the loss must be a scalar, not ${show(loss.shape)}`)
  const g = loss.graph
  return backward(g, [[loss, g.expand(g.scalar(1, loss.dtype), loss.shape)]], wrt)
}

/** Vector-Jacobian product: propagates the gradients of several values (`seeds`) back to `wrt`. */
export function backward(g: GraphCore, seeds: readonly (readonly [Value, Value])[], wrt: readonly Value[]): Value[] {
  const tape = [...g.tape]
  const active = new Set(wrt.map((v) => v.name))
  for (const entry of tape)
    if (entry.inputs.some((v) => active.has(v.name))) for (const v of entry.outputs) active.add(v.name)

  const sums = new Map<string, Value>()
  const accumulate = (v: Value, dv: Value) => {
    if (show(dv.shape) !== show(v.shape))
      throw new Error(`Internal error: gradient ${show(dv.shape)} for a value ${show(v.shape)}`)
    const sum = sums.get(v.name)
    sums.set(v.name, sum ? g.add(sum, dv) : dv)
  }
  for (const [v, dv] of seeds) accumulate(v, dv)
  for (const entry of tape.reverse()) {
    const wanted = entry.inputs.map((v) => active.has(v.name))
    if (!wanted.includes(true)) continue
    const dy = entry.outputs.map((v) => sums.get(v.name))
    if (dy.every((d) => d === undefined)) continue
    const rules = entry.rule(dy, wanted)
    for (const [i, v] of entry.inputs.entries()) {
      const rule = rules[i]
      if (wanted[i] && rule) accumulate(v, rule())
    }
  }
  return wrt.map((v) => sums.get(v.name) ?? g.zeros(v.shape, v.dtype))
}
