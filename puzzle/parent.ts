import type { BlockName, Blocks, Environment } from '../api/index.js'
import { cacheWeights, openModel, type Model } from '../model/index.js'
import type { ModelInput } from './inputs.js'
import { WarmOf } from './warm.js'

const parents = new WarmOf<Blocks, Model>(1)

/** Opens the spec's model, with some of its weights in memory. Tasks of one process share it. */
export async function openParent({
  spec: { model: folder },
  inputDigests,
  blocks,
}: Pick<Environment<ModelInput>, 'spec' | 'inputDigests' | 'blocks'>): Promise<Model> {
  return parents.get(blocks, `${inputDigests.model} ${folder}`, async () =>
    cacheWeights(await openModel(folder, blocks)),
  )
}

/** Lists the block types of a model. */
export function blocksOf({ config }: Model): BlockName[] {
  const names = config.blocks.flatMap(({ attention, ffn }) => [`attention/${attention.block}`, `ffn/${ffn.block}`])
  return [...new Set(names)].map((name): BlockName => {
    const [slot, block] = name.split('/') as [BlockName['slot'], string]
    return { slot, name: block }
  })
}
