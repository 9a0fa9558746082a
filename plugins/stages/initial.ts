import { layerFacts, type Model } from '../../model/index.js'
import type { ArtifactRef, Environment, Slot, Weights } from '../api/index.js'
import { layerName, readJson, type Variant } from './library.js'

/** Training-free weights of a variant, `norm` included, from the parent's and the statistics that `capture` left. */
export async function initialWeights(
  context: Pick<Environment, 'open'>,
  model: Model,
  layer: number,
  slot: Slot,
  variant: Pick<Variant, 'block' | 'params'> & { readonly parent: boolean },
  statistics: ArtifactRef,
): Promise<Weights> {
  const type = model.blocks.get(slot, variant.block)
  if (type.empty) return {}
  const parent = await model.weights(layer, slot)
  if (variant.parent) return parent
  const contribution = (await readJson<Record<string, number[]>>(context, statistics))[layerName(layer)]
  const { norm, ...own } = parent
  const known = contribution?.length ? { channelContribution: Float32Array.from(contribution) } : {}
  return { norm: norm!, ...type.initialise(own, layerFacts(model.config, layer), variant.params, known) }
}
