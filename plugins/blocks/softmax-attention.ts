import type { Value } from '../../tensor/index.js'
import type { BlockContext } from '../../api/index.js'

/** Keys and values of earlier tokens. */
export interface Before {
  /** [batch, groups, slots, key dim] */
  readonly k: Value
  /** [batch, groups, slots, value dim] */
  readonly v: Value
  /** Additive mask: [slots] for all tokens, or [length, slots]. */
  readonly mask: Value
}

/**
 * Causal softmax attention of a chunk.
 *
 * @param q       scaled queries, the heads of each group stacked, [batch, groups, group * length, key dim]
 * @param k       [batch, groups, length, key dim]
 * @param v       [batch, groups, length, value dim]
 * @param before  keys and values of earlier tokens. @default none
 * @param window  number of earlier tokens that a token attends to. @default all
 * @returns [batch, groups, group * length, value dim]
 */
export function attend(
  q: Value,
  k: Value,
  v: Value,
  { length, facts: { attentionSoftcap }, padding }: Pick<BlockContext, 'length' | 'facts' | 'padding'>,
  before?: Before,
  window = Infinity,
): Value {
  const g = q.graph
  const [batch, groups, rows] = q.shape as readonly number[] as [number, number, number]
  const group = rows / length
  /** Adds a mask [length, slots] to the scores of all query heads. */
  const masked = (scores: Value, mask: Value) => {
    const slots = scores.shape[3]!
    const byHead = g.reshape(scores, [batch, groups, group, length, slots])
    return g.reshape(g.add(byHead, mask), [batch, groups, rows, slots])
  }
  const capped = (scores: Value) => (attentionSoftcap === undefined ? scores : g.softcap(scores, attentionSoftcap))
  let scores = capped(g.matmul(q, g.transpose(k, [0, 1, 3, 2])))
  if (length > 1) {
    scores = masked(scores, g.cast(g.band(length, 0, -1e9, window), q.dtype))
  }
  // One mask per sequence: [batch, 1, 1, tokens].
  const padded = (products: Value, mask: Value) => g.add(products, g.reshape(mask, [batch, 1, 1, mask.shape[1]!]))
  if (padding) scores = padded(scores, padding.own)
  if (!before) return g.matmul(g.softmax(scores, 3), v)
  const products = capped(g.matmul(q, g.transpose(before.k, [0, 1, 3, 2])))
  let old = before.mask.shape.length === 1 ? g.add(products, before.mask) : masked(products, before.mask)
  if (padding) old = padded(old, window < Infinity ? padding.windows[window]! : padding.past!)
  // The new tokens come first, because their number is known and the capacity of the state is not.
  const all = g.softmax(g.concat([scores, old], 3), 3)
  const [current, earlier] = g.cut(all, 3, length, before.k.shape[2]!)
  return g.add(g.matmul(current, v), g.matmul(earlier, before.v))
}
