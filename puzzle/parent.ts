import type { BlockName, Blocks, Environment } from '../api/index.js'
import { cacheWeights, openModel, type Model } from '../model/index.js'
import type { ModelInput } from './inputs.js'
import { Warm } from './warm.js'

const parents = new WeakMap<Blocks, Warm<Model>>()

/** Opens the spec's model, with some of its weights in memory. Tasks of one process share it. */
export async function openParent({
  spec: { model: folder },
  inputDigests,
  blocks,
}: Pick<Environment<ModelInput>, 'spec' | 'inputDigests' | 'blocks'>): Promise<Model> {
  let warm = parents.get(blocks)
  if (!warm) parents.set(blocks, (warm = new Warm(1)))
  return warm.get(`${inputDigests.model} ${folder}`, async () => cacheWeights(await openModel(folder, blocks)))
}

/** Lists the block types of a model. */
export function blocksOf({ config }: Model): BlockName[] {
  const names = config.blocks.flatMap(({ attention, ffn }) => [`attention/${attention.block}`, `ffn/${ffn.block}`])
  return [...new Set(names)].map((name): BlockName => {
    const [slot, block] = name.split('/') as [BlockName['slot'], string]
    return { slot, name: block }
  })
}
