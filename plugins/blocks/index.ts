import { defineBlockType, Failure, withWeightsKey, type Blocks, type BlockType, type Family } from '../../api/index.js'
import { fewerHeads } from './fewer-heads.js'
import { groupedQuery } from './grouped-query.js'
import { latentAttention } from './latent-attention.js'
import { gatedLinearAttention, linearAttention } from './linear-attention.js'
import { attentionMatrix, ffnMatrix } from './linear.js'
import { lowRank } from './low-rank.js'
import { noOpAttention, noOpFfn } from './no-op.js'
import { slidingWindow } from './sliding-window.js'
import { swiglu } from './swiglu.js'

/** The block types that come with puzzleflow. */
export const builtInBlocks: readonly BlockType[] = [
  defineBlockType(groupedQuery),
  defineBlockType(fewerHeads),
  defineBlockType(slidingWindow),
  defineBlockType(linearAttention),
  defineBlockType(gatedLinearAttention),
  defineBlockType(latentAttention),
  defineBlockType(attentionMatrix),
  defineBlockType(noOpAttention),
  defineBlockType(swiglu),
  defineBlockType(lowRank),
  defineBlockType(ffnMatrix),
  defineBlockType(noOpFfn),
]

/**
 * Creates a registry of block types, each extended by the parameter `weights`.
 *
 * @param types     @default the built-in ones
 * @param families  families of models that plugins add. @default none
 * @throws Failure `PluginBug` if two types have the same slot and name
 */
export function makeBlocks(types: readonly BlockType[] = builtInBlocks, families: readonly Family[] = []): Blocks {
  const byKey = new Map<string, BlockType>()
  for (const type of types.map(withWeightsKey)) {
    const key = `${type.slot}/${type.name}`
    if (byKey.has(key)) throw new Failure('PluginBug', `There are two ${type.slot} block types named "${type.name}"`)
    byKey.set(key, type)
  }
  return {
    families,
    has: (slot, name) => byKey.has(`${slot}/${name}`),
    list: () => [...byKey.values()],
    get(slot, name) {
      const type = byKey.get(`${slot}/${name}`)
      if (!type)
        throw new Failure('InvalidInput', `There is no ${slot} block type "${name}"`, {
          remedy: 'Add the plugin that has it to `plugins:` in the spec.',
        })
      return type
    },
  }
}
