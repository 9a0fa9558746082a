import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { slots, type Blocks, type Slot, type Weights } from '../api/index.js'
import { joined } from '../tensor/rows.js'
import { weightName } from './build.js'
import type { Model } from './model.js'
import { parseConfig } from './hf/read-config.js'
import type { LayerBlocks, ModelConfig } from './config.js'
import { parseFields } from './families/fields.js'
import { familiesOf } from './families/index.js'
import { configText, copyCompanions } from './folder.js'
import { modelCard } from './hf/card.js'
import { copyCode } from './hf/code.js'
import { exportedConfig, tiedAs, withHeadField } from './hf/config.js'
import { parentFields } from './hf/parent-fields.js'
import { endTensors, slotTensors, transposed } from './names.js'
import { quantisationOf, rounded } from './quantisation.js'
import { writeShards } from './shards.js'
import { writeSafetensors, type CheckpointType, type TensorSource } from './safetensors.js'
import { wholeFolder } from './whole-folder.js'

/**
 * Writes a model's weights as one safetensors file in Hugging Face's layout.
 *
 * @param weights  by the names of `modelShapes`
 * @param shapes   the same, from `modelShapes`
 * @throws Failure NonFinite for a value that does not fit `dtype`
 */
export async function saveCheckpoint(
  path: string,
  config: ModelConfig,
  blocks: Blocks,
  weights: Readonly<Record<string, Float32Array>>,
  shapes: Readonly<Record<string, readonly number[]>>,
  dtype: CheckpointType,
): Promise<void> {
  const slot = (layer: number, slot: Slot): Weights => {
    const prefix = weightName(layer, slot, '')
    const entries = Object.entries(weights).filter(([name]) => name.startsWith(prefix))
    return Object.fromEntries(
      entries.map(([name, data]) => [name.slice(prefix.length), { data, shape: shapes[name]! }] as const),
    )
  }
  const source = {
    config,
    blocks,
    embedding: async () => weights.embedding!,
    norm: async () => weights.norm!,
    head: async () => weights.head!,
    weights: async (layer: number, of: Slot) => slot(layer, of),
  }
  await writeSafetensors(path, sources(source), dtype)
}

/** Options of `writeModel`. */
export interface WriteOptions {
  readonly dtype: CheckpointType
  /** Largest size of a weight file, in bytes. Larger models are split into shards, and a larger tensor gets a shard of its
   *  own. @default 5e9 */
  readonly shardBytes?: number
  /** Whether the evidence in the model card of the model's folder also applies to this model. @default true */
  readonly sameEvidence?: boolean
}

/**
 * Writes a model as a Hugging Face folder that `openModel` and transformers read: config.json, model.safetensors, a model
 * card, code for transformers if it has no class for the model, and the tokenizer, licence and generation settings of the
 * folder that the model came from. Memory holds one layer's weights at a time.
 *
 * @param folder  must not exist, or be empty; it appears complete or not at all
 * @throws Failure InvalidInput for an existing folder, NonFinite for a value that does not fit `options.dtype`
 */
export async function writeModel(model: Model, folder: string, options: WriteOptions): Promise<void> {
  const { text, computedBy } = exportedConfig(await configText(model.folder), model, options.dtype)
  await wholeFolder(folder, async (temporary) => {
    await writeFile(join(temporary, 'config.json'), text)
    if (computedBy.kind === 'own-code') await copyCode(temporary)
    await writeFile(join(temporary, 'README.md'), await modelCard(model, computedBy, options))
    await copyCompanions(model.folder, temporary)
    await writeShards(temporary, sources(model), options)
  })
}

/** Writes the config.json of a model that descends from the one with the config.json `text`. Layers are listed only if they
 *  differ from those that the other fields describe.
 *  @throws Failure InvalidInput for a `text` that is not a supported config.json */
export function checkpointConfig(
  text: string,
  { config, blocks }: Pick<Model, 'config' | 'blocks'>,
  dtype: CheckpointType,
): string {
  const parent = Object.fromEntries(
    Object.entries(parentFields(parseFields(text, 'config.json'))).filter(([name]) => name !== 'puzzleflow'),
  )
  const families = familiesOf(blocks)
  const fields: Record<string, unknown> = { ...parent, ...tiedAs(config, parent, families) }
  fields['torch_dtype' in fields ? 'torch_dtype' : 'dtype'] = dtype
  const describe = ({ attention, ffn }: LayerBlocks) => ({
    attention: { block: attention.block, ...attention.params },
    ffn: { block: ffn.block, ...ffn.params },
  })
  const said = parseConfig(JSON.stringify(fields), 'config.json', families).blocks.map(describe)
  const layers = config.blocks.map(describe)
  const own = JSON.stringify(layers) === JSON.stringify(said) ? {} : { layers }
  return `${JSON.stringify(withHeadField({ ...fields, ...(own.layers && { puzzleflow: own }) }, config), null, 2)}\n`
}

/** Tensors of a checkpoint in the order of a forward pass, each read when it is written. */
function sources(model: Omit<Model, 'folder'>): TensorSource[] {
  const { config, blocks } = model
  const { vocabulary, hidden } = config
  const ends = endTensors(config, blocks)
  const all: TensorSource[] = [{ name: ends.embedding, shape: [vocabulary, hidden], values: () => model.embedding() }]
  // Quantised weights are written dequantised.
  const onGrid = async (layer: number, slot: Slot) =>
    rounded(await model.weights(layer, slot), quantisationOf(model, layer, slot))
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of slots) {
      let loaded: Promise<Weights> | undefined
      const tensors = slotTensors(config, blocks, layer, slot)
      for (const [i, { name, shape, transpose, parts }] of tensors.entries())
        all.push({
          name,
          shape,
          values: async () => {
            const weights = await (loaded ??= onGrid(layer, slot))
            if (i === tensors.length - 1) loaded = undefined
            const lying = parts.map(({ weight, shape }) => {
              const tensor = weights[weight]
              if (!tensor) throw new Error(`Internal error: layer ${layer}, ${slot}: no weight ${weight}`)
              return transpose ? transposed(tensor.data, shape[0]!, shape[1]!) : tensor.data
            })
            return lying.length === 1 ? lying[0]! : joined(lying)
          },
        })
    }
  all.push({ name: ends.norm, shape: [hidden], values: () => model.norm() })
  if (!config.tied) all.push({ name: ends.head, shape: [vocabulary, hidden], values: () => model.head() })
  return all
}

/** Reads all weights of a model. @returns them by the names of `modelShapes`; without `head` if it is tied */
export async function allWeights(model: Model): Promise<Record<string, Float32Array>> {
  const weights: Record<string, Float32Array> = { embedding: await model.embedding(), norm: await model.norm() }
  if (!model.config.tied) weights.head = await model.head()
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of slots)
      for (const [name, { data }] of Object.entries(await model.weights(layer, slot)))
        weights[weightName(layer, slot, name)] = data
  return weights
}
