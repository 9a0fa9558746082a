import type { Family, JsonObject } from '../../api/index.js'
import type { Model } from '../model.js'
import { parseConfig } from './read-config.js'
import { familiesOf } from '../families/index.js'
import { parseFields } from '../families/fields.js'
import type { CheckpointType } from '../safetensors.js'
import { describeModel, notComputed } from './description.js'
import { parentFields, replacedFields } from './parent-fields.js'
import { blockConfigs, essentialLayers, perLayerConfig } from './spellings.js'

/** What computes an exported model in transformers: its class of the family, puzzleflow's code in the checkpoint's folder, or
 *  nothing. */
export type ComputedBy =
  { readonly kind: 'transformers' } | { readonly kind: 'own-code' } | { readonly kind: 'nobody'; readonly why: string }

export interface ExportedConfig {
  readonly text: string
  readonly computedBy: ComputedBy
}

/** Families that transformers has no class for. */
const withoutClass = ['decilm']

/**
 * Writes the config.json of an export. If the family's own fields can describe all layers, they do, and transformers' class of
 * the family computes the model. Otherwise the model has the type `puzzleflow` and brings its own code, so that no program
 * mistakes it for its parent. Its layers are described in `puzzleflow.layers` and, if they can be, in transformers'
 * `per_layer_config` and DeciLM's `block_configs`.
 * @param text  config.json of the model that it descends from
 */
export function exportedConfig(
  text: string,
  { config, blocks }: Pick<Model, 'config' | 'blocks'>,
  dtype: CheckpointType,
): ExportedConfig {
  // `auto_map` names code that is not copied.
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
  const written = (fields: JsonObject) => `${JSON.stringify(withHeadField(fields, config), null, 2)}\n`
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
  // Programs that serve DeciLM recognise it by its own model type.
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

/** Adds the type of the head, if it is quantised: the stored one is the same in floats. */
export const withHeadField = (fields: JsonObject, { headWeights: weights }: Model['config']): JsonObject =>
  weights ? { ...fields, puzzleflow: { ...(fields.puzzleflow as JsonObject | undefined), head: { weights } } } : fields

/** Returns the field that ties head and embedding, if the other fields contradict the stored tensors. */
export function tiedAs({ tied }: Model['config'], fields: JsonObject, families: readonly Family[]): JsonObject {
  const said = parseConfig(JSON.stringify(fields), 'config.json', families).tied
  return said === tied ? {} : { tie_word_embeddings: tied }
}

/** Fields that hold one size for all layers, with the sizes of the first layer. */
function uniformSizes({ blocks }: Model['config']): JsonObject {
  const { attention, ffn } = blocks[0]!
  const { kvHeads, window } = attention.params
  return {
    ...(typeof kvHeads === 'number' && { num_key_value_heads: kvHeads }),
    ...(typeof ffn.params.width === 'number' && { intermediate_size: ffn.params.width }),
    ...(typeof window === 'number' && { sliding_window: window }),
  }
}
