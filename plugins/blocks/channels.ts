import { compute, type LayerFacts, type Sample, type Weights } from '../api/index.js'
import { activationsOf } from './activations.js'

/** Tokens that are looked at to rank channels one after the other. */
export const tokensForChannels = 2048

/**
 * FFN channels to keep, found by removing the one whose loss moves the output least again and again: contributions are
 * those beside the channels that are still there, so of two channels that do the same one stays. Exact for the sample,
 * |sum of removed a_i w_i|^2 over its tokens. Memory: 3 x intermediate^2 x 4 bytes.
 *
 * @returns channels in their order
 * @source Puzzle, arXiv 2411.19146, appendix A, C_i(X), with the sum over what is removed
 */
export async function channelsByElimination(
  parent: Weights,
  facts: LayerFacts,
  width: number,
  { x, mask }: Sample,
): Promise<number[]> {
  const activations = await activationsOf(parent, facts, { shape: [mask.length, facts.hidden], data: x })
  // (a_i . a_j) (w_i . w_j): how much the parts of two channels move the output together.
  const { together } = await compute(
    (g, { a, mask, down }) => ({
      together: g.mul(g.gemm(g.mul(a!, mask!), a!, { transA: true }), g.gemm(down!, down!, { transB: true })),
    }),
    { a: activations, mask: { shape: [mask.length, 1], data: mask }, down: parent.down! },
  )
  const n = parent.down!.shape[0]!
  const products = together!.data
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
