import type { Value } from '../../tensor/index.js'
import { compute, type Weight, type Weights } from '../api/index.js'
import { affine } from './affine.js'

/** silu(W_gate x) * W_up x, [tokens, channels]. */
export const gated = (g: Value['graph'], x: Value, w: Readonly<Record<string, Value>>): Value =>
  g.mul(g.silu(affine(g, x, w, 'gate')), affine(g, x, w, 'up'))

/** Activations of the parent's gated FFN. x: [tokens, hidden]. @returns [tokens, intermediate] */
export async function activationsOf(parent: Weights, x: Weight): Promise<Weight> {
  const { y } = await compute((g, { x, ...w }) => ({ y: gated(g, x!, w) }), { ...parent, x })
  return y!
}
