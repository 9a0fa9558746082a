import { slots, type BlockName, type Blocks, type Environment } from '../api/index.js'
import { cacheWeights, openModel, type Model } from '../model/index.js'
import type { ModelInput } from './inputs.js'
import type { Base } from './library.js'
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

/** Lists the block types of a model; not those of a base's empty slots, which a plan may not know if runs of layers emptied them. */
export function blocksOf({ config, blocks, origin }: Base): BlockName[] {
  const names = config.blocks
    .flatMap((layer) => slots.map((slot) => [slot, layer[slot].block] as const))
    .filter(([slot, block]) => !origin || !blocks.get(slot, block).empty)
    .map((name) => name.join('/'))
  return [...new Set(names)].map((name): BlockName => {
    const [slot, block] = name.split('/') as [BlockName['slot'], string]
    return { slot, name: block }
  })
}
