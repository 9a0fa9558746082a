import { compute, type LayerFacts, type Sample, type Weights } from '../../api/index.js'
import { activationsOf } from './activations.js'

/** Tokens of calibration text for ranking channels iteratively. */
export const tokensForChannels = 2048

/**
 * Selects the FFN channels to keep by repeatedly removing the one whose loss changes the output least. Contributions are relative to
 * the remaining channels, so of two channels that do the same, one stays. Exact on the sample: the cost is
 * |sum of removed a_i w_i|^2 over its tokens. Needs 3 x intermediate^2 x 4 bytes of memory.
 *
 * @returns the channels in ascending order
 * @source Bercovich et al. 2024, "Puzzle", arXiv 2411.19146, appendix A, C_i(X), summed over the removed channels
 */
export async function channelsByElimination(
  parent: Weights,
  facts: LayerFacts,
  width: number,
  { x, mask }: Sample,
): Promise<number[]> {
  const activations = await activationsOf(parent, facts, { shape: [mask.length, facts.hidden], data: x })
  // (a_i . a_j) (w_i . w_j): inner products of the channels' contributions to the output.
  const { gram } = await compute(
    (g, { a, mask, down }) => ({
      gram: g.mul(g.gemm(g.mul(a!, mask!), a!, { transA: true }), g.gemm(down!, down!, { transB: true })),
    }),
    { a: activations, mask: { shape: [mask.length, 1], data: mask }, down: parent.down! },
  )
  const n = parent.down!.shape[0]!
  const products = gram!.data
  const cost = Float64Array.from({ length: n }, (_, i) => products[i * n + i]!)
  const left = new Set(cost.keys())
  while (left.size > width) {
    let least = -1
    for (const i of left) if (least < 0 || cost[i]! < cost[least]!) least = i
    left.delete(least)
    const row = products.subarray(least * n, (least + 1) * n)
    for (const i of left) cost[i]! += 2 * row[i]!
  }
  return [...left]
}
