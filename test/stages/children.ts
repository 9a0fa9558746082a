import { join } from 'node:path'
import { layerFacts, type Model } from '../../model/index.js'
import type { ArtifactRef, Weights } from '../../api/index.js'
import { assemble, type Filling, type LibraryEntry } from '../../puzzle/library.js'
import { writeTensors, type Tensor } from '../../tensor/index.js'
import { blocks } from '../model/tiny.js'
import { fakeLibrary, fakeSpace } from './fakes.js'
import type { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'

/** Weights by name as tensors, each name after a prefix. */
export const asTensors = (weights: Weights, prefix = ''): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [prefix + name, { dtype: 'float32', dims: shape, data }]),
  )

export async function putTensors(search: Search, tensors: Readonly<Record<string, Tensor>>): Promise<ArtifactRef> {
  const path = join(temporaryFolder(), 'weights')
  await writeTensors(path, tensors)
  return search.store.putFile('weights', path)
}

/** A child of the tiny parent that has learned nothing yet. */
export interface UntrainedChild {
  readonly model: Model
  readonly fillings: readonly Filling[]
  /** Weights of the fillings, by id. */
  readonly inputs: Readonly<Record<string, ArtifactRef>>
  /** A library with these entries, and the choice of them. */
  readonly library: readonly LibraryEntry[]
  readonly choice: readonly { readonly attention: string; readonly ffn: string }[]
}

/** A matrix in the place of the first attention, no FFN in the layer behind, and the parent's last layer. */
export async function untrainedChild(search: Search, parent: Model): Promise<UntrainedChild> {
  const { norm, ...own } = await parent.weights(0, 'attention')
  const matrix = await blocks.get('attention', 'linear').initialise(own, layerFacts(parent.config, 0), {}, {})
  const weights = await putTensors(search, asTensors({ ...matrix, norm: norm! }))
  const choice = [
    { attention: 'layer00/attention/linear', ffn: 'layer00/ffn/parent' },
    { attention: 'layer01/attention/parent', ffn: 'layer01/ffn/no-op' },
    { attention: 'layer02/attention/parent', ffn: 'layer02/ffn/parent' },
  ]
  const library = fakeLibrary(parent, fakeSpace).map((entry) =>
    entry.id === choice[0]!.attention ? { ...entry, weights } : entry,
  )
  const chosen = choice.flatMap(({ attention, ffn }) => [attention, ffn])
  const fillings = library
    .filter(({ id }) => chosen.includes(id))
    .map(({ id, layer, slot, variant, block, params }): Filling => ({ id, layer, slot, variant, block, params }))
  const inputs = { [choice[0]!.attention]: weights }
  return { model: assemble(parent, fillings, inputs, search.environment([])), fillings, inputs, library, choice }
}
