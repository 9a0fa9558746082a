import type { Family, JsonObject } from '../../api/index.js'
import type { Model } from '../model.js'
import { parseConfig } from './read-config.js'
import { familiesOf } from '../families/index.js'
import { parseFields } from '../families/fields.js'
import type { CheckpointType } from '../safetensors.js'
import { describeModel, notComputed } from './description.js'
import { parentFields, replacedFields } from './parent-fields.js'
import { blockConfigs, essentialLayers, perLayerConfig } from './spellings.js'

/** Who computes an exported model in transformers: its own class of the family, our code beside the checkpoint, or nobody. */
export type ComputedBy =
  { readonly kind: 'transformers' } | { readonly kind: 'own-code' } | { readonly kind: 'nobody'; readonly why: string }

export interface ExportedConfig {
  readonly text: string
  readonly computedBy: ComputedBy
}

/** Families whose models transformers has no class for. */
const withoutClass = ['decilm']

/**
 * The config.json of an export. Where all layers are what the family's own fields can say, those say it and transformers'
 * class of the family computes it. Otherwise it is a model of type `puzzleflow` with code of our own beside it, so that
 * nothing takes it for its parent, and layers are said three ways: `puzzleflow.layers`, and where they have the words
 * transformers' `per_layer_config` and DeciLM's `block_configs`.
 * @param text  config.json of the model that it descends from
 */
export function exportedConfig(
  text: string,
  { config, blocks }: Pick<Model, 'config' | 'blocks'>,
  dtype: CheckpointType,
): ExportedConfig {
  // The code that `auto_map` names is not carried.
  const before = Object.entries(parentFields(parseFields(text, 'config.json')))
  const parent = Object.fromEntries(before.filter(([name]) => name !== 'puzzleflow' && name !== 'auto_map'))
  const families = familiesOf(blocks)
  const fields: JsonObject = {
    ...parent,
    ...tiedAs(config, parent, families),
    ['torch_dtype' in parent ? 'torch_dtype' : 'dtype']: dtype,
  }
  const wanted = JSON.stringify(essentialLayers(config.blocks))
  const said = (fields: JsonObject) => parseConfig(JSON.stringify(fields), 'config.json', families).blocks
  const says = (fields: JsonObject) => JSON.stringify(essentialLayers(said(fields))) === wanted
  const written = (fields: JsonObject) => `${JSON.stringify(fields, null, 2)}\n`
  const layers = config.blocks.map(({ attention, ffn }) => ({
    attention: { block: attention.block, ...attention.params },
    ffn: { block: ffn.block, ...ffn.params },
  }))
  const exactly = (fields: JsonObject) => JSON.stringify(config.blocks) === JSON.stringify(said(fields))
  const withLayers = (fields: JsonObject): JsonObject =>
    exactly(fields) ? fields : { ...fields, puzzleflow: { layers } }

  const deci = withoutClass.includes(config.family) ? blockConfigs(config) : undefined
  const candidates = [
    fields,
    { ...fields, ...uniformSizes(config) },
    ...(deci ? [{ ...fields, block_configs: deci }] : []),
  ]
  const plain = candidates.find(says)
  const why = notComputed(config, blocks)
  if (plain && (why !== undefined || !withoutClass.includes(config.family)))
    return { text: written(withLayers(plain)), computedBy: { kind: 'transformers' } }
  const codeless = { ...fields, puzzleflow: { layers } }
  if (why !== undefined) return { text: written(codeless), computedBy: { kind: 'nobody', why } }

  const model = describeModel(config, blocks)
  const autoMap = {
    AutoConfig: 'configuration_puzzleflow.PuzzleflowConfig',
    AutoModelForCausalLM: 'modeling_puzzleflow.PuzzleflowForCausalLM',
  }
  // What serves DeciLM knows it by its own name.
  if (plain) {
    const plainFields = withLayers(plain)
    const ours = { ...(plainFields.puzzleflow as JsonObject | undefined), model }
    const named = { auto_map: autoMap, tie_word_embeddings: config.tied }
    return { text: written(replacedFields(plainFields, named, ours)), computedBy: { kind: 'own-code' } }
  }
  const perLayer = perLayerConfig(config, fields)
  const configs = blockConfigs(config)
  const puzzleflowFields: JsonObject = {
    model_type: 'puzzleflow',
    architectures: ['PuzzleflowForCausalLM'],
    auto_map: autoMap,
    tie_word_embeddings: config.tied,
    ...(perLayer && { per_layer_config: perLayer }),
    ...(configs && { block_configs: configs }),
  }
  return {
    text: written(replacedFields(fields, puzzleflowFields, { layers, model })),
    computedBy: { kind: 'own-code' },
  }
}

/** Whether the head is the embedding, where the fields say something else than is stored. */
export function tiedAs({ tied }: Model['config'], fields: JsonObject, families: readonly Family[]): JsonObject {
  const said = parseConfig(JSON.stringify(fields), 'config.json', families).tied
  return said === tied ? {} : { tie_word_embeddings: tied }
}

/** The fields of one size for all layers, as the first layer has them. */
function uniformSizes({ blocks }: Model['config']): JsonObject {
  const { attention, ffn } = blocks[0]!
  const { kvHeads, window } = attention.params
  return {
    ...(typeof kvHeads === 'number' && { num_key_value_heads: kvHeads }),
    ...(typeof ffn.params.width === 'number' && { intermediate_size: ffn.params.width }),
    ...(typeof window === 'number' && { sliding_window: window }),
  }
}
