import type { Value } from '../../tensor/index.js'
import { compute, type LayerFacts, type Weight, type Weights } from '../../api/index.js'
import { affine } from './affine.js'

type G = Value['graph']

/** Applies the parent's activation. */
export const activate = (g: G, x: Value, { activation = 'silu' }: Pick<LayerFacts, 'activation'>): Value =>
  activation === 'silu' ? g.silu(x) : g.geluTanh(x)

/** act(W_gate x) * W_up x, [tokens, channels]. */
export const gated = (
  g: G,
  x: Value,
  w: Readonly<Record<string, Value>>,
  facts: Pick<LayerFacts, 'activation'>,
): Value => g.mul(activate(g, affine(g, x, w, 'gate'), facts), affine(g, x, w, 'up'))

/** Computes the activations of the parent's gated FFN: [tokens, hidden] to [tokens, intermediate]. */
export async function activationsOf(parent: Weights, facts: LayerFacts, x: Weight): Promise<Weight> {
  const { y } = await compute((g, { x, ...w }) => ({ y: gated(g, x!, w, facts) }), { ...parent, x })
  return y!
}
