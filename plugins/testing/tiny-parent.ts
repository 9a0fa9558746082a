import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  embed,
  Forward,
  layerFacts,
  modelShapes,
  normalise,
  openModel,
  parseConfig,
  rotaryOf,
  rotaryTables,
  saveCheckpoint,
  splitNorms,
  type Model,
  type ModelConfig,
} from '../../model/index.js'
import { elements } from '../../tensor/index.js'
import type { Blocks, JsonObject, LayerFacts, LayerStatistics, Sample, Slot, Weights } from '../../api/index.js'
import { noise } from './noise.js'

/** Sizes of a parent. */
export type ParentSizes = Omit<LayerFacts, 'layer'> & {
  /** Further fields of config.json, which can make it a parent of another family than Llama. */
  readonly config?: JsonObject
}

/** The layer whose blocks are replaced. */
export const layer = 1
/** Size of the vocabulary. */
export const vocabulary = 13

/** All sizes differ, so that mixing them up cannot go unnoticed. */
const small: ParentSizes = {
  layers: 2,
  hidden: 10,
  heads: 4,
  kvHeads: 4,
  headDim: 6,
  intermediate: 22,
  attentionBias: false,
  mlpBias: false,
  normEps: 1e-5,
}

/** One KV head per query head without biases, and shared KV heads with biases. */
export const usualParents: readonly ParentSizes[] = [
  small,
  { ...small, kvHeads: 2, attentionBias: true, mlpBias: true },
]

/** Completes sizes with those of the small parent. */
export const sizesFrom = (sizes: Partial<ParentSizes>): ParentSizes => ({ ...small, ...sizes })

/** A model of two layers with deterministic weights, and statistics of its second layer. */
export interface TinyParent {
  readonly model: Model
  readonly facts: LayerFacts
  /** The weights of a slot of the layer, and its norms. */
  weights(slot: Slot): Promise<{ readonly norms: Weights; readonly weights: Weights }>
  /** Complete statistics, as a block type may receive them. */
  readonly statistics: Readonly<Record<Slot, LayerStatistics & { readonly sample: Sample }>>
}

const [sequences, length] = [4, 16]

/** Writes a parent of the given sizes to a folder, opens it and collects statistics. */
export async function makeParent(folder: string, sizes: ParentSizes, blocks: Blocks): Promise<TinyParent> {
  await mkdir(folder)
  const text = JSON.stringify({
    model_type: 'llama',
    vocab_size: vocabulary,
    hidden_size: sizes.hidden,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.kvHeads,
    head_dim: sizes.headDim,
    intermediate_size: sizes.intermediate,
    max_position_embeddings: 512,
    rms_norm_eps: sizes.normEps,
    rope_theta: 100,
    attention_bias: sizes.attentionBias,
    mlp_bias: sizes.mlpBias,
    tie_word_embeddings: false,
    ...sizes.config,
  })
  await writeFile(join(folder, 'config.json'), text)
  const config = parseConfig(text, 'config.json')
  const shapes = modelShapes(config, blocks)
  const weights = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, parentWeight(name, shape, i + 1, config)]),
  )
  await saveCheckpoint(join(folder, 'model.safetensors'), config, blocks, weights, shapes, 'float32')
  const model = await openModel(folder, blocks)
  return {
    model,
    facts: layerFacts(config, layer),
    async weights(slot) {
      const { norms, own } = splitNorms(await model.weights(layer, slot))
      return { norms, weights: own }
    },
    statistics: await calibrate(model),
  }
}

/** As in trained models, heads share a component, and tokens attend mostly to themselves and to similar tokens. */
function parentWeight(name: string, shape: readonly number[], seed: number, config: ModelConfig): Float32Array {
  const random = noise(elements(shape), seed)
  if (name.endsWith('.bias')) return Float32Array.from(random, (value) => 0.3 * value)
  if (shape.length === 1) return Float32Array.from(random, (value) => 1 - config.normOffset + 0.2 * value)
  if (name === 'embedding') return Float32Array.from(random)
  const [rows, columns] = shape as [number, number]
  const gain = Math.sqrt(3 / (name === 'head' ? columns : rows))
  const { headDim } = config
  const common = /\.attention\.[qkv]$/.test(name) ? noise(rows * headDim, name.endsWith('v') ? 201 : 202) : undefined
  return Float32Array.from(random, (value, i) => {
    const [row, channel] = [Math.floor(i / columns), i % headDim]
    return gain * (common ? 0.5 * value + 0.87 * common[row * headDim + channel]! : value)
  })
}

/** Collects statistics by running text through the parent, as the stage `capture` does. */
async function calibrate(model: Model): Promise<TinyParent['statistics']> {
  const { config } = model
  const ids = Int32Array.from(noise(sequences * length, 3), (value) => Math.floor(((value + 1) / 2) * vocabulary))
  const forward = new Forward(sequences, length)
  try {
    const before = await forward.layers(model, embed(await model.embedding(), config, ids), 0, layer)
    const between = await forward.slot(model, layer, 'attention', before)
    const { cos, sin } = rotaryTables(rotaryOf(config, layer), config.headDim, 0, length)
    // The last tokens of the last sequence are padding.
    const mask = new Float32Array(sequences * length).fill(1).fill(0, sequences * length - 3)
    const sampleOf = async (slot: Slot, states: Float32Array): Promise<Sample> => {
      const { norm } = await model.weights(layer, slot)
      const x = states.slice()
      normalise(x, norm!.data, config)
      return { sequences, length, x, mask, rotary: { cos, sin } }
    }
    const ffn = await sampleOf('ffn', between)
    const channelContribution = contributions(await model.weights(layer, 'ffn'), ffn, layerFacts(config, layer))
    return {
      attention: { channelContribution, sample: await sampleOf('attention', before) },
      ffn: { channelContribution, sample: ffn },
    }
  } finally {
    await forward.release()
  }
}

const activations: Readonly<Record<NonNullable<LayerFacts['activation']>, (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
}

/** The mean over tokens of |activation| * |row of W_down|, [intermediate]. */
function contributions(w: Weights, { x, mask }: Sample, { hidden, activation = 'silu' }: LayerFacts): Float32Array {
  const width = w.up!.shape[1]!
  const through = (name: string, token: number, channel: number) => {
    let sum = w[`${name}.bias`]?.data[channel] ?? 0
    for (let i = 0; i < hidden; i++) sum += x[token * hidden + i]! * w[name]!.data[i * width + channel]!
    return sum
  }
  const tokens = mask.reduce((a, b) => a + b, 0)
  return Float32Array.from({ length: width }, (_, channel) => {
    const norm = Math.hypot(...w.down!.data.subarray(channel * hidden, (channel + 1) * hidden))
    let sum = 0
    for (let t = 0; t < mask.length; t++) {
      const gate = through('gate', t, channel)
      sum += mask[t]! * Math.abs(activations[activation](gate) * through('up', t, channel))
    }
    return (sum / tokens) * norm
  })
}
