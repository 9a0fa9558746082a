import type { Value } from '../../tensor/index.js'

/** x W + b, or x W if there is no bias. x: [rows, in]. */
export function affine(g: Value['graph'], x: Value, w: Readonly<Record<string, Value>>, name: string): Value {
  const y = g.gemm(x, w[name]!)
  const bias = w[`${name}.bias`]
  return bias ? g.add(y, bias) : y
}
