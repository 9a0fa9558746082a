import { compute, type LayerFacts, type LayerStatistics, type Weights } from '../../api/index.js'
import { attend } from './softmax-attention.js'
import { byGroups, positioned, scaleOf, toHeads } from './heads.js'

/** Tokens of calibration text for ranking heads. */
export const tokensForHeads = 2048

/**
 * Measures how much each query head of the parent contributes: the mean norm of its addition to the residual stream on
 * calibration text or, without a sample, the product of the norms of its value and output weights. [heads]
 */
export async function headContribution(
  parent: Weights,
  facts: LayerFacts,
  { sample }: LayerStatistics,
): Promise<Float32Array> {
  const { heads, kvHeads, headDim, hidden } = facts
  const group = heads / kvHeads
  if (!sample) {
    const norm = (data: Float32Array, includes: (i: number) => boolean) =>
      Math.sqrt(data.reduce((n, w, i) => n + (includes(i) ? w * w : 0), 0))
    return Float32Array.from({ length: heads }, (_, h) => {
      const kv = Math.floor(h / group)
      const v = norm(parent.v!.data, (i) => Math.floor((i % (kvHeads * headDim)) / headDim) === kv)
      return v * norm(parent.o!.data, (i) => Math.floor(i / (headDim * hidden)) === h)
    })
  }
  const { sequences: batch, length, x, mask, rotary } = sample
  const table = { shape: [length, headDim] }
  const { sums } = await compute(
    (g, { x, mask, cos, sin, ...w }) => {
      const context = { facts, batch, length, rotary: { cos: cos!, sin: sin! }, wantState: false }
      const q = positioned(g, x!, w, 'q', heads, context)
      const k = g.transpose(positioned(g, x!, w, 'k', kvHeads, context), [0, 2, 1, 3])
      const v = g.transpose(toHeads(g, x!, w, 'v', kvHeads, context), [0, 2, 1, 3])
      const scaled = g.mul(byGroups(g, q, kvHeads), g.scalar(scaleOf(facts), 'float32'))
      const mixed = g.reshape(attend(scaled, k, v, context, undefined, (facts.window ?? Infinity) - 1), [
        batch,
        heads,
        length,
        headDim,
      ])
      // With a head's rows W of W_o, [headDim, hidden]: |m W|^2 = m (W Wᵀ) mᵀ avoids a vector of size hidden per head and token.
      const rows = g.reshape(w.o!, [1, heads, headDim, hidden])
      const gram = g.matmul(rows, g.transpose(rows, [0, 1, 3, 2]))
      const norms = g.sqrt(g.relu(g.sum(g.mul(g.matmul(mixed, gram), mixed), [3])))
      return { sums: g.sum(g.mul(norms, g.reshape(mask!, [batch, 1, length])), [0, 2]) }
    },
    {
      ...parent,
      x: { shape: [batch * length, hidden], data: x },
      mask: { shape: [batch * length], data: mask },
      cos: { ...table, data: rotary.cos },
      sin: { ...table, data: rotary.sin },
    },
  )
  const tokens = mask.reduce((a, b) => a + b, 0)
  return sums!.data.map((sum) => sum / tokens)
}

/** Returns the indices of the largest values in ascending order; in a tie, the first ones. */
export const largest = (values: ArrayLike<number>, count: number): number[] =>
  Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, count)
    .sort((a, b) => a - b)
