import type { Value } from '../../tensor/index.js'
import type { BlockContext, LayerFacts, Weight, Weights } from '../../api/index.js'
import { affine } from './affine.js'

type G = Value['graph']
type Values = Readonly<Record<string, Value>>

/** Projects to heads, [batch, length, count, dim]. */
export const toHeads = (
  g: G,
  x: Value,
  w: Values,
  name: string,
  count: number,
  { batch, length }: Pick<BlockContext, 'batch' | 'length'>,
): Value => {
  const y = affine(g, x, w, name)
  return g.reshape(y, [batch, length, count, Number(y.shape[1]) / count])
}

/** Projects to query or key heads, normalised if the parent's are, and rotated, [batch, length, count, headDim]. */
export function positioned(g: G, x: Value, w: Values, name: 'q' | 'k', count: number, context: BlockContext): Value {
  return rotate(g, normedHeads(g, toHeads(g, x, w, name, count, context), w[`${name}.norm`], context.facts), context)
}

/** Normalises each head if there is a weight for it. */
function normedHeads(g: G, y: Value, weight: Value | undefined, { normEps, normOffset = 0 }: LayerFacts): Value {
  if (!weight) return y
  return g.rmsNorm(y, normOffset === 0 ? weight : g.add(weight, g.scalar(normOffset, weight.dtype)), normEps)
}

/** Factor on the dot products of queries and keys. */
export const scaleOf = ({ attentionScale, headDim }: LayerFacts): number => attentionScale ?? 1 / Math.sqrt(headDim)

/** Applies the rotary embedding to heads [batch, length, count, headDim], if the layer has one. */
export function rotate(g: G, y: Value, { rotary, length, facts: { headDim } }: BlockContext): Value {
  if (!rotary) return y
  const [cos, sin] = [rotary.cos, rotary.sin].map((table) => g.reshape(table, [length, 1, headDim]))
  return turn(g, y, cos!, sin!)
}

/**
 * Rotates pairs of channels: channel i and channel i + dim / 2 form a complex number, which is multiplied by cos + i sin.
 * y: [..., dim]; cos and sin broadcast to it.
 */
export function turn(g: G, y: Value, cos: Value, sin: Value): Value {
  const half = Number(y.shape[3]) / 2
  const [first, second] = g.split(y, 3, [half, half])
  return g.add(g.mul(y, cos), g.mul(g.concat([g.neg(second!), first!], 3), sin))
}

/**
 * Stacks the query heads of each group, so that keys and values need not be repeated per query head:
 * [batch, length, heads, dim] to [batch, groups, heads / groups * length, dim].
 */
export function byGroups(g: G, q: Value, groups: number): Value {
  const [batch, length, heads, dim] = q.shape as readonly number[] as [number, number, number, number]
  const group = heads / groups
  const split = g.transpose(g.reshape(q, [batch, length, groups, group, dim]), [0, 2, 3, 1, 4])
  return g.reshape(split, [batch, groups, group * length, dim])
}

/** The inverse, with tokens as rows: [batch, groups, heads / groups * length, dim] to [batch * length, heads * dim]. */
export function fromGroups(g: G, y: Value, heads: number, length: number): Value {
  const [batch, groups, , dim] = y.shape as readonly number[] as [number, number, number, number]
  const split = g.reshape(y, [batch, groups, heads / groups, length, dim])
  return g.reshape(g.transpose(split, [0, 3, 1, 2, 4]), [batch * length, heads * dim])
}

/** Averages heads in groups: [rows, from * dim] to [rows, to * dim]. A bias counts as one row. */
export function meanPool({ shape, data }: Weight, from: number, to: number, dim: number): Weight {
  const group = from / to
  const rows = data.length / (from * dim)
  const pooled = new Float32Array(rows * to * dim)
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < from; head++)
      for (let i = 0; i < dim; i++)
        pooled[(row * to + Math.floor(head / group)) * dim + i]! += data[(row * from + head) * dim + i]! / group
  return { shape: [...shape.slice(0, -1), to * dim], data: pooled }
}

/** Returns the parent's weights with fewer KV heads, each the mean of a group. */
export function poolKeysAndValues(parent: Weights, { kvHeads: from, headDim }: LayerFacts, to: number): Weights {
  if (to === from) return parent
  const names = ['k', 'v', 'k.bias', 'v.bias'].filter((name) => parent[name])
  const pooled = names.map((name) => [name, meanPool(parent[name]!, from, to, headDim)] as const)
  return { ...parent, ...Object.fromEntries(pooled) }
}

/** The divisors of n in ascending order. */
export const divisors = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0)
