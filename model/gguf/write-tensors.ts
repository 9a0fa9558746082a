import { compute, type Slot, type Weight, type Weights } from '../../api/index.js'
import { elements } from '../../tensor/index.js'
import type { Model } from '../model.js'
import type { ModelConfig } from '../config.js'
import { transposed } from '../names.js'
import { inverseFrequencies } from '../rotary.js'
import type { PackedLayer, Place } from './pack.js'
import { rotaryKinds, saidByKeys, type Architecture } from './write-architectures.js'
import type { WrittenType } from './write-encode.js'
import type { GgufTensor } from './write-file.js'
import type { GgufPlan } from './write-plan.js'
import { tensorTypes } from './types.js'

/** Lists the tensors of a model in the order of a forward pass. */
export function ggufTensors(model: Model, { architecture, layers }: GgufPlan, type: WrittenType): GgufTensor[] {
  const { config } = model
  const { vocabulary, hidden } = config
  const matrix = (name: string, shape: readonly number[], values: GgufTensor['values']): GgufTensor => ({
    ...{ name, shape, values },
    type: fits(type, shape) ? type : 'F16',
  })
  const vector = (name: string, values: GgufTensor['values'], size = hidden): GgufTensor => ({
    ...{ name, shape: [size], values },
    type: 'F32',
  })
  const scale = embeddingFactor(architecture, config)
  const norm = async () => scaled(shifted(await model.norm(), config.normOffset), config.logitsScale)
  const factors = rotaryFactors(architecture, config)
  return [
    matrix('token_embd.weight', [vocabulary, hidden], async () => scaled(await model.embedding(), scale)),
    ...(factors ? [vector('rope_freqs.weight', () => factors, factors.length)] : []),
    ...layers.flatMap((layer, n) =>
      [...attention(model, layer, architecture, layers.length), ...ffn(model, layer)].map(({ name, shape, values }) => {
        const full = `blk.${n}.${name}`
        return shape.length === 2 ? matrix(full, shape, values) : vector(full, values, shape[0])
      }),
    ),
    vector('output_norm.weight', norm),
    // If the stored embedding is scaled, a tied head must be stored separately, without the factor.
    ...(config.tied && scale === 1 ? [] : [matrix('output.weight', [vocabulary, hidden], () => model.head())]),
  ]
}

/** Whether rows consist of whole blocks. */
const fits = (type: WrittenType, shape: readonly number[]): boolean => shape.at(-1)! % tensorTypes[type].values === 0

/** Factor of embeddings beyond the one that the graph applies. */
export const embeddingFactor = ({ scaledEmbedding }: Architecture, { embeddingScale, hidden }: ModelConfig): number =>
  embeddingScale / (scaledEmbedding ? Math.sqrt(hidden) : 1)

/** Divisors of rotary frequencies, one for each pair; undefined if the file's keys describe the scaling. */
function rotaryFactors(architecture: Architecture, config: ModelConfig): Float32Array | undefined {
  const rotary = rotaryKinds(architecture, config).global[0]
  if (!rotary?.scaling || saidByKeys(rotary.scaling)) return undefined
  const plain = inverseFrequencies({ theta: rotary.theta }, config.headDim, 0)
  return inverseFrequencies(rotary, config.headDim, 0).map((frequency, i) => plain[i]! / frequency)
}

/** Factor of products of queries and keys beyond the one that the graph applies. */
function attentionFactor(architecture: Architecture, config: ModelConfig, layers: number): number {
  const { attentionScale, headDim, hidden, heads } = config
  const size = layers === architecture.scaledByMean ? Math.floor(hidden / heads) : headDim
  const scaling = rotaryKinds(architecture, config).global[0]?.scaling
  // YaRN multiplies the cosines and sines of both queries and keys by its factor.
  const stretched = scaling?.kind === 'yarn' && !saidByKeys(scaling) ? scaling.attentionFactor ** 2 : 1
  return attentionScale * Math.sqrt(size) * stretched
}

interface Named {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: GgufTensor['values']
}

function attention(
  model: Model,
  { attention: part }: PackedLayer,
  architecture: Architecture,
  layers: number,
): Named[] {
  const { config } = model
  const { hidden, headDim, normOffset, residualScale, postNorms } = config
  if (part === 'none') return []
  if (part === 'zero')
    return [
      { name: 'attn_norm.weight', shape: [hidden], values: () => new Float32Array(hidden).fill(1) },
      ...['q', 'k', 'v'].map((name) => zeros(`attn_${name}.weight`, [headDim, hidden])),
      zeros('attn_output.weight', [hidden, headDim]),
    ]
  const slot = reader(model, part)
  const out = postNorms ? 1 : residualScale
  const norm = slot.vector('attn_norm.weight', 'norm', hidden, (data) => shifted(data, normOffset))
  if (part.kind === 'linear')
    return [norm, slot.matrix('attn_output.weight', 'weight', [hidden, hidden], (data) => scaled(data, out))]
  const sizes = { q: part.heads * headDim, k: part.kvHeads * headDim, v: part.kvHeads * headDim }
  const factor = attentionFactor(architecture, config, layers)
  const asWritten = (name: 'q' | 'k' | 'v', data: Float32Array): Float32Array => {
    if (name === 'v') return data
    const turned = architecture.pairs === 'neighbours' ? interleaved(data, headDim, data.length / sizes[name]) : data
    return name === 'q' && !config.qkNorm ? scaled(turned, factor) : turned
  }
  const names = ['q', 'k', 'v'] as const
  return [
    norm,
    ...names.map((name) =>
      slot.matrix(`attn_${name}.weight`, name, [sizes[name], hidden], (data) => asWritten(name, data)),
    ),
    ...(config.qkvBias
      ? names.map((name) =>
          slot.vector(`attn_${name}.bias`, `${name}.bias`, sizes[name], (data) => asWritten(name, data)),
        )
      : []),
    ...(config.qkNorm
      ? (['q', 'k'] as const).map((name) =>
          slot.vector(`attn_${name}_norm.weight`, `${name}.norm`, headDim, (data) =>
            scaled(shifted(data, normOffset), name === 'q' ? factor : 1),
          ),
        )
      : []),
    slot.matrix('attn_output.weight', 'o', [hidden, sizes.q], (data) => scaled(data, out)),
    ...(config.outputBias ? [slot.vector('attn_output.bias', 'o.bias', hidden, (data) => scaled(data, out))] : []),
    ...(postNorms ? [postNorm(slot, 'post_attention_norm.weight', config)] : []),
  ]
}

function ffn(model: Model, { attention: before, ffn: part }: PackedLayer): Named[] {
  const { hidden, normOffset, residualScale, postNorms, mlpBias } = model.config
  if (part === 'zero') {
    const bias =
      typeof before === 'object' && before.kind === 'linear' && before.bias
        ? [reader(model, before).vector('ffn_down.bias', 'bias', hidden, (data) => scaled(data, residualScale))]
        : []
    return [
      { name: 'ffn_norm.weight', shape: [hidden], values: () => new Float32Array(hidden).fill(1) },
      ...['gate', 'up'].map((name) => zeros(`ffn_${name}.weight`, [1, hidden])),
      zeros('ffn_down.weight', [hidden, 1]),
      ...bias,
    ]
  }
  const { width } = part
  const slot = reader(model, part)
  const out = postNorms ? 1 : residualScale
  const same = (data: Float32Array) => data
  return [
    slot.vector('ffn_norm.weight', 'norm', hidden, (data) => shifted(data, normOffset)),
    slot.matrix('ffn_gate.weight', 'gate', [width, hidden], same),
    slot.matrix('ffn_up.weight', 'up', [width, hidden], same),
    slot.matrix('ffn_down.weight', 'down', [hidden, width], (data) => scaled(data, out)),
    ...(mlpBias
      ? [
          slot.vector('ffn_gate.bias', 'gate.bias', width, same),
          slot.vector('ffn_up.bias', 'up.bias', width, same),
          slot.vector('ffn_down.bias', 'down.bias', hidden, (data) => scaled(data, out)),
        ]
      : []),
    ...(postNorms ? [postNorm(slot, 'post_ffw_norm.weight', model.config)] : []),
  ]
}

const zeros = (name: string, shape: readonly number[]): Named => ({
  ...{ name, shape },
  values: () => new Float32Array(elements(shape)),
})

const postNorm = (slot: Reader, name: string, { hidden, normOffset, residualScale }: ModelConfig): Named =>
  slot.vector(name, 'post', hidden, (data) => scaled(shifted(data, normOffset), residualScale))

type Change = (data: Float32Array) => Float32Array

interface Reader {
  vector(name: string, weight: string, size: number, change: Change): Named
  /** A matrix, transposed from [in, out] to [out, in]. */
  matrix(name: string, weight: string, shape: readonly [number, number], change: Change): Named
}

/** Creates the tensors of a slot. Its weights are read once, and released after the last tensor has been written. */
function reader(model: Model, { layer, slot }: Place): Reader {
  let left = 0
  let loaded: Promise<Weights> | undefined
  const read = async (name: string): Promise<Weight> => {
    const weights = await (loaded ??= model.weights(layer, slot))
    if (--left === 0) loaded = undefined
    return weights[name] ?? multiplied(weights, name, layer, slot)
  }
  const named = (name: string, shape: readonly number[], values: Named['values']): Named => {
    left++
    return { name, shape, values }
  }
  return {
    vector: (name, weight, size, change) => named(name, [size], async () => change((await read(weight)).data)),
    matrix: (name, weight, shape, change) =>
      named(name, shape, async () => {
        const { data, shape: own } = await read(weight)
        return change(transposed(data, own[0]!, own[1]!))
      }),
  }
}

/** Multiplies a matrix that is stored as two factors. */
async function multiplied(weights: Weights, name: string, layer: number, slot: Slot): Promise<Weight> {
  const [a, b] = [weights[`${name}.a`], weights[`${name}.b`]]
  if (!a || !b) throw new Error(`Internal error: layer ${layer}, ${slot}: no weight ${name}`)
  const { y } = await compute((g, { a, b }) => ({ y: g.matmul(a!, b!) }), { a, b })
  return y!
}

const scaled = (data: Float32Array, by: number): Float32Array => (by === 1 ? data : data.map((value) => value * by))

const shifted = (data: Float32Array, by: number): Float32Array => (by === 0 ? data : data.map((value) => value + by))

/** Reorders the rows of each head so that those that are rotated together, one from each half, become neighbours.
 *  @param data  [heads * headDim, row] */
function interleaved(data: Float32Array, headDim: number, row: number): Float32Array {
  const out = new Float32Array(data.length)
  const half = headDim / 2
  for (let from = 0; from < data.length / row; from++) {
    const [head, i] = [Math.floor(from / headDim), from % headDim]
    const to = head * headDim + (i < half ? 2 * i : 2 * (i - half) + 1)
    out.set(data.subarray(from * row, (from + 1) * row), to * row)
  }
  return out
}
