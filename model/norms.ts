import type { Weights } from '../api/index.js'
import type { ModelConfig } from './config.js'

/** Separates a slot's weights: `norms` belong to the model, `own` to the block type. */
export function splitNorms({ norm, post, ...own }: Weights): { readonly norms: Weights; readonly own: Weights } {
  return { norms: { ...(norm && { norm }), ...(post && { post }) }, own }
}

/** Applies an RMS norm to rows, in place.
 *  @param weight  as in the checkpoint, [hidden]
 *  @source Zhang and Sennrich, arXiv 1910.07467, eq. 4 */
export function normalise(
  x: Float32Array,
  weight: Float32Array,
  { normEps, normOffset }: Pick<ModelConfig, 'normEps' | 'normOffset'>,
): void {
  const size = weight.length
  for (let start = 0; start < x.length; start += size) {
    let power = 0
    for (let i = 0; i < size; i++) power += x[start + i]! ** 2
    const scale = 1 / Math.sqrt(power / size + normEps)
    for (let i = 0; i < size; i++) x[start + i]! *= scale * (normOffset + weight[i]!)
  }
}
