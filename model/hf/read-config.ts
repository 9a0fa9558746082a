import {
  Failure,
  type BlockChoice,
  type Family,
  type JsonObject,
  type LayerBlocks,
  type RotaryConfig,
} from '../../api/index.js'
import { isWeightKind, weightKinds, withWeights } from '../../api/weights.js'
import { isObject } from '../../api/json-object.js'
import type { HeadWeights, ModelConfig } from '../config.js'
import { Fields, parseFields } from '../families/fields.js'
import { builtInFamilies } from '../families/index.js'
import { readRotary } from '../families/rotary.js'
import { missingOf } from '../families/unsupported.js'
import { parentFields } from './parent-fields.js'
import { entryOf, shown } from '../../errors/foreign.js'

/** Reads the `config.json` of a checkpoint.
 *  @param text      contents of the file
 *  @param file      its path, for messages
 *  @param families  the supported families. @default those that come with puzzleflow
 *  @throws UnknownFamily if none of the families can read it
 *  @throws Failure InvalidInput naming a field that is unsupported, missing or wrong */
export function parseConfig(text: string, file: string, families: readonly Family[] = builtInFamilies): ModelConfig {
  const json = parentFields(parseFields(text, file))
  const family = whichFamily(json, file, families)
  const f = new Fields(json, file, family.defaults)
  refuseUnsupported(f, family)

  const hidden = f.count('hidden_size')
  const layers = f.count('num_hidden_layers')
  if (layers > 1000) throw f.refuse(`"num_hidden_layers" is ${layers}`)
  const heads = f.count('num_attention_heads')
  const headDim = headSize(f, hidden, heads)
  const traits = family.traits?.(f) ?? {}
  const ownBlocks = family.blocks?.(f) ?? usualBlocks(f, family, layers, heads)
  ownBlocks.forEach((own, layer) => {
    checkHeads(f, own, layer, heads)
    checkWidth(f, own, layer)
  })
  const largest = (slot: 'attention' | 'ffn', key: string) =>
    ownBlocks.reduce((most, own) => Math.max(most, Number(own[slot].params[key] ?? 0)), 0)
  const rotaries = new Map<string, { readonly index: number; readonly rotary: RotaryConfig }>()
  const layerRotary = Array.from({ length: layers }, (_, layer) => {
    const rotary = readRotary(f, family, family.rotary?.(f, layer) ?? 'full_attention')
    const key = JSON.stringify(rotary)
    if (!rotaries.has(key)) rotaries.set(key, { index: rotaries.size, rotary })
    return rotaries.get(key)!.index
  })
  const own = f.object('puzzleflow')
  const replaced = own?.layers
  const headWeights = own && headOf(own, f)
  const [bos] = tokenIds(f, 'bos_token_id')
  return {
    family: family.name,
    vocabulary: f.count('vocab_size'),
    ...{ hidden, layers, heads, headDim },
    // In a model without any attention or FFN, the value is never used.
    kvHeads: largest('attention', 'kvHeads') || heads,
    intermediate: largest('ffn', 'width') || hidden,
    maxPositions: f.count('max_position_embeddings'),
    normEps: f.real('rms_norm_eps'),
    tied: f.flag('tie_word_embeddings'),
    ...(headWeights && { headWeights }),
    activation: activationOf(f, family),
    normOffset: 0,
    qkNorm: false,
    postNorms: false,
    embeddingScale: 1,
    residualScale: 1,
    logitsScale: 1,
    attentionScale: 1 / Math.sqrt(headDim),
    qkvBias: false,
    outputBias: false,
    mlpBias: false,
    ...traits,
    rotaries: [...rotaries.values()].map(({ rotary }) => rotary),
    layerRotary,
    ...(bos === undefined ? {} : { bos }),
    eos: tokenIds(f, 'eos_token_id'),
    blocks: replaced === undefined ? ownBlocks : replacedBlocks(replaced, layers, f),
    ownBlocks,
  }
}

/** One id, several, or none: null, and in some files -1. */
function tokenIds(f: Fields, name: string): readonly number[] {
  return [f.raw(name) ?? []].flat().filter((id): id is number => {
    if (!Number.isSafeInteger(id) || (id as number) > 2 ** 31)
      throw f.refuse(`"${name}" has ${shown(id)}, not the id of a token`)
    return (id as number) >= 0
  })
}

/** Thrown if no known family can read a config.json. A plugin may add the family. */
export class UnknownFamily extends Failure {}

/** Finds the family of a config.json. @throws UnknownFamily naming the architecture and what is not supported */
function whichFamily(fields: JsonObject, file: string, families: readonly Family[]): Family {
  const [architecture] = Array.isArray(fields.architectures) ? (fields.architectures as readonly unknown[]) : []
  const type = fields.model_type
  const known = ({ modelTypes }: Family) => typeof type === 'string' && modelTypes.includes(type)
  const family = families.find(
    (own) => known(own) && (architecture === undefined || own.architectures.some((name) => name === architecture)),
  )
  if (family) return family
  const missing = missingOf(fields)
  const unsupported = `the architecture ${shown(architecture ?? type)} (model_type ${shown(type)}) is not supported`
  throw new UnknownFamily('InvalidInput', `${file}: ${unsupported}${missing === undefined ? '' : `: ${missing}`}`, {
    file,
    remedy: `Supported: ${families.flatMap((own) => own.architectures).join(', ')}.`,
  })
}

function refuseUnsupported(f: Fields, { refused = {} }: Family): void {
  for (const name of ['quantization_config', 'compression_config', 'quantization']) {
    const about = f.object(name)
    if (about === undefined) continue
    // MLX gives no method, only its parameters: {"group_size": 64, "bits": 4}.
    const method = typeof about.quant_method === 'string' ? ` (${about.quant_method})` : ''
    throw f.refuse(
      `quantised checkpoints${method} are not supported ("${name}")`,
      'Use the unquantised checkpoint, in F32, F16 or BF16.',
    )
  }
  for (const [name, { except, why }] of Object.entries(refused)) {
    const value = f.raw(name) ?? null
    if (value !== null && !except.includes(value)) throw f.refuse(`"${name}": ${shown(value)} is not supported`, why)
  }
}

function headSize(f: Fields, hidden: number, heads: number): number {
  const given = f.countOrNone('head_dim')
  if (given === undefined && hidden % heads !== 0)
    throw f.refuse(`"hidden_size" ${hidden} is not a multiple of "num_attention_heads" ${heads}`)
  const headDim = given ?? hidden / heads
  if (headDim % 2 !== 0) throw f.refuse(`a head size of ${headDim} is odd: rotary embedding needs pairs`)
  return headDim
}

/** Names of activations in configurations. */
const activations: Readonly<Record<string, ModelConfig['activation']>> = {
  silu: 'silu',
  swish: 'silu',
  gelu_pytorch_tanh: 'gelu-tanh',
  gelu_new: 'gelu-tanh',
}

function activationOf(f: Fields, { activationField = 'hidden_act' }: Family): ModelConfig['activation'] {
  const name = f.text(activationField, 'silu')
  const activation = entryOf(activations, name)
  if (activation) return activation
  throw f.refuse(
    `the activation "${activationField}": ${shown(name)} is not supported`,
    `Supported: ${Object.keys(activations).join(', ')}.`,
  )
}

/** Grouped-query attention, with a window if the family has one, and gated FFNs of one width. */
function usualBlocks(f: Fields, family: Family, layers: number, heads: number): LayerBlocks[] {
  // Null means as many as query heads, whatever the family's default.
  const kvHeads = f.raw('num_key_value_heads') === null ? heads : f.count('num_key_value_heads', heads)
  const ffn: BlockChoice = { block: 'swiglu', params: { width: f.count('intermediate_size') } }
  return Array.from({ length: layers }, (_, layer) => {
    const window = family.window?.(f, layer)
    if (window === undefined) return { attention: { block: 'grouped-query', params: { kvHeads } }, ffn }
    if (!Number.isSafeInteger(window) || window < 2)
      throw f.refuse(`"sliding_window" is ${window}: a window has at least 2 tokens, the token itself included`)
    return { attention: { block: 'sliding-window', params: { window, kvHeads } }, ffn }
  })
}

/** @throws Failure InvalidInput unless query heads share a layer's key/value heads evenly */
function checkHeads(f: Fields, { attention }: LayerBlocks, layer: number, heads: number): void {
  const { kvHeads } = attention.params
  if (kvHeads === undefined) return
  if (typeof kvHeads !== 'number' || !Number.isSafeInteger(kvHeads) || kvHeads < 1 || heads % kvHeads !== 0)
    throw f.refuse(
      `"num_attention_heads" ${heads} is not a multiple of "num_key_value_heads" ${shown(kvHeads)} (layer ${layer})`,
    )
}

function checkWidth(f: Fields, { ffn }: LayerBlocks, layer: number): void {
  const { width } = ffn.params
  if (width === undefined || (Number.isSafeInteger(width) && Number(width) > 0 && Number(width) <= 2 ** 31)) return
  throw f.refuse(`the FFN of layer ${layer} has the width ${shown(width)}, not a positive whole number`)
}

/** Reads the type of the head of a child that puzzleflow wrote. */
function headOf({ head }: JsonObject, f: Fields): HeadWeights | undefined {
  if (head === undefined) return undefined
  const { weights = 'float32' } = isObject(head) ? head : { weights: head }
  if (!isWeightKind(weights))
    throw f.refuse(`"puzzleflow.head" has the weights ${shown(weights)}`, `Weights can be ${weightKinds.join(', ')}.`)
  return weights === 'float32' ? undefined : weights
}

/** Reads the layers of a child that puzzleflow wrote. */
function replacedBlocks(value: unknown, layers: number, f: Fields): LayerBlocks[] {
  const choice = (slot: unknown, where: string): BlockChoice => {
    const { block, weights = 'float32', ...params } = (slot ?? {}) as { readonly block?: unknown } & JsonObject
    if (typeof block !== 'string') throw f.refuse(`"puzzleflow.layers" has no block type at ${where}`)
    if (!isWeightKind(weights))
      throw f.refuse(
        `"puzzleflow.layers" has the weights ${shown(weights)} at ${where}`,
        `Weights can be ${weightKinds.join(', ')}.`,
      )
    return { block, params: withWeights(params, weights) }
  }
  if (!Array.isArray(value) || value.length !== layers)
    throw f.refuse(`"puzzleflow.layers" must be a list of ${layers} layers`)
  return value.map((layer: unknown, i) => ({
    attention: choice((layer as JsonObject | null)?.attention, `layer ${i}, attention`),
    ffn: choice((layer as JsonObject | null)?.ffn, `layer ${i}, ffn`),
  }))
}
