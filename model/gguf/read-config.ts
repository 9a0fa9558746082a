import type { Json, JsonObject } from '../../api/index.js'
import type { GgufFile } from './container.js'
import { gemmaFields } from './read-gemma.js'
import { Keys } from './read-keys.js'
import { rotaryFields } from './read-rotary.js'

/** A GGUF file's description of a model, as the fields of a config.json. */
export interface GgufDescription {
  readonly fields: JsonObject
  readonly architecture: Architecture
  readonly layers: readonly LayerSizes[]
  readonly headDim: number
}

/** Sizes of a layer. */
export interface LayerSizes {
  readonly heads: number
  readonly kvHeads: number
  readonly width: number
}

/** How an architecture of llama.cpp differs from the corresponding Hugging Face family. */
export interface Architecture {
  readonly name: string
  readonly modelType: string
  readonly className: string
  /** Whether neighbouring rows of queries and keys are rotated together, instead of one row from each half of the head. */
  readonly paired: boolean
  /** What is added to the family's norm weights in the file. */
  readonly normOffset: 0 | 1
  /** Whether there are norms after blocks, which changes the names of norms. */
  readonly postNorms: boolean
  /** Whether `attn_logit_softcapping` caps products of queries and keys. */
  readonly attentionSoftcap?: true
}

const llama: Architecture = {
  name: 'llama',
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  paired: true,
  normOffset: 0,
  postNorms: false,
}
const gemma = { paired: false, normOffset: 1, postNorms: true } as const
const architectures: readonly Architecture[] = [
  llama,
  { ...llama, name: 'deci', modelType: 'nemotron-nas', className: 'DeciLMForCausalLM' },
  { ...llama, name: 'qwen2', modelType: 'qwen2', className: 'Qwen2ForCausalLM', paired: false },
  { ...llama, name: 'qwen3', modelType: 'qwen3', className: 'Qwen3ForCausalLM', paired: false },
  { ...gemma, name: 'gemma2', modelType: 'gemma2', className: 'Gemma2ForCausalLM', attentionSoftcap: true },
  { ...gemma, name: 'gemma3', modelType: 'gemma3_text', className: 'Gemma3ForCausalLM' },
]

/** Keys with the values that have no effect. Other values would change what a model computes. */
const neutral: Readonly<Record<string, readonly number[]>> = {
  expert_count: [0],
  'attention.scale': [0],
  'attention.clamp_kqv': [0],
  'attention.max_alibi_bias': [0],
  attn_logit_softcapping: [0],
  logit_scale: [0, 1],
  residual_scale: [0, 1],
  embedding_scale: [0, 1],
}

/** Largest head size; known models have up to 512. */
const largestHead = 65536

/** Describes the model of a GGUF file.
 *  @param divisors  values of `rope_freqs.weight`, if the file has it
 *  @throws Failure InvalidInput for an architecture or feature that is not supported */
export function describeGguf(file: GgufFile, divisors?: Float32Array): GgufDescription {
  const keys = new Keys(file)
  const architecture = architectures.find(({ name }) => name === keys.architecture)
  if (!architecture)
    throw keys.refuse(
      `the architecture "${keys.architecture}" is not supported in GGUF files`,
      `Supported: ${architectures.map(({ name }) => name).join(', ')}. Give the model's Hugging Face folder.`,
    )
  for (const [key, values] of Object.entries(neutral)) {
    if (key === 'attn_logit_softcapping' && architecture.attentionSoftcap) continue
    const value = keys.numberOrNone(key) ?? values[0]!
    if (!values.includes(value)) throw keys.refuse(`${keys.name(key)} is ${value}, which is not supported`)
  }
  const embedding = file.tensors.get('token_embd.weight')
  if (embedding?.shape.length !== 2) throw keys.refuse('tensor token_embd.weight is missing or not a matrix')
  const hidden = keys.number('embedding_length')
  const count = keys.number('block_count')
  if (!(count >= 1 && count <= 1000)) throw keys.refuse(`${keys.name('block_count')} is ${count}`)
  const heads = keys.perLayer('attention.head_count', count)
  const kvHeads = keys.perLayer('attention.head_count_kv', count, heads)
  const widths = keys.perLayer('feed_forward_length', count)
  const layers = heads.map((own, i) => ({ heads: own, kvHeads: kvHeads[i]!, width: widths[i]! }))
  const most = Math.max(...heads)
  const headDim = keys.numberOrNone('attention.key_length') ?? hidden / heads[0]!
  if (!Number.isInteger(headDim) || headDim < 1 || headDim > largestHead)
    throw keys.refuse(
      `heads have ${headDim} values (${keys.name('attention.key_length')}, or hidden / heads of layer 0)`,
    )
  const valueDim = keys.numberOrNone('attention.value_length') ?? headDim
  if (valueDim !== headDim)
    throw keys.refuse(`keys have ${headDim} values per head and values ${valueDim}: both must be the same`)
  const has = (pattern: RegExp) => [...file.tensors.keys()].some((name) => pattern.test(name))
  const ends = [keys.numberOrNone('tokenizer.ggml.eos_token_id'), keys.numberOrNone('tokenizer.ggml.eot_token_id')]
  const eos = [...new Set(ends.filter((id): id is number => id !== undefined))]
  const bos = keys.numberOrNone('tokenizer.ggml.bos_token_id')
  const fields: JsonObject = {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    vocab_size: embedding.shape[0]!,
    hidden_size: hidden,
    num_hidden_layers: count,
    num_attention_heads: most,
    head_dim: headDim,
    max_position_embeddings: keys.number('context_length'),
    rms_norm_eps: keys.number('attention.layer_norm_rms_epsilon'),
    tie_word_embeddings: !file.tensors.has('output.weight'),
    ...rotaryFields(keys, headDim, divisors),
    ...(has(/^blk\.\d+\.attn_(q|k|v|output)\.bias$/) && { attention_bias: true }),
    ...(has(/^blk\.\d+\.ffn_(gate|up|down)\.bias$/) && { mlp_bias: true }),
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos.length > 0 && { eos_token_id: eos.length === 1 ? eos[0]! : eos }),
    dtype: storedAs(file),
  }
  const described = { architecture, layers, headDim }
  if (architecture.name === 'deci') return { ...described, fields: { ...fields, ...deciFields(keys, layers, most) } }
  const [first] = layers
  if (layers.some((own) => JSON.stringify(own) !== JSON.stringify(first)))
    throw keys.refuse(`layers of the architecture "${architecture.name}" cannot differ, but heads or FFN widths do`)
  const usual = { num_key_value_heads: first!.kvHeads, intermediate_size: first!.width }
  const windowFields = gemmaFields(keys, count, headDim) ?? refuseWindow(keys)
  return { ...described, fields: { ...fields, ...usual, ...windowFields } }
}

/** The default type of weights for an export of the model. */
function storedAs(file: GgufFile): string {
  const types = new Set([...file.tensors.values()].filter(({ shape }) => shape.length > 1).map(({ type }) => type))
  const [only] = types
  return types.size !== 1 ? 'float32' : only === 'F16' ? 'float16' : only === 'BF16' ? 'bfloat16' : 'float32'
}

/** Refuses windows of these architectures: llama.cpp ignores them and other tools do not, so the intent is unclear. */
function refuseWindow(keys: Keys): JsonObject {
  const window = keys.numberOrNone('attention.sliding_window') ?? 0
  if (window > 0 && window < keys.number('context_length'))
    throw keys.refuse(
      `${keys.name('attention.sliding_window')} is ${window}, which llama.cpp ignores for this architecture`,
      "Give the model's Hugging Face folder.",
    )
  return {}
}

/** Fields for layers that differ. Those with fewer query heads than others have the block type `fewer-heads`. */
function deciFields(keys: Keys, layers: readonly LayerSizes[], most: number): JsonObject {
  refuseWindow(keys)
  const entries = layers.map(({ heads, kvHeads, width }, layer): JsonObject => {
    if (width === 0 && heads > 0)
      throw keys.refuse(
        `layer ${layer} has attention but no FFN: llama.cpp skips such a layer, other tools do not`,
        'Convert the model so that the layer has an FFN of zeros, or neither attention nor FFN.',
      )
    const usual = { n_heads_in_group: isFewer(heads, kvHeads, most) ? 1 : heads / kvHeads }
    const attention: JsonObject = heads === 0 ? { no_op: true } : kvHeads === 0 ? { replace_with_linear: true } : usual
    return { attention, ffn: width === 0 ? { no_op: true } : { intermediate_size: width } }
  })
  if (!layers.some(({ heads, kvHeads }) => isFewer(heads, kvHeads, most))) return { block_configs: entries }
  const blocks = layers.map(({ heads, kvHeads, width }): Json => {
    const block =
      heads === 0
        ? { block: 'no-op' }
        : kvHeads === 0
          ? { block: 'linear' }
          : heads < most
            ? { block: 'fewer-heads', heads, kvHeads }
            : { block: 'grouped-query', kvHeads }
    return { attention: block, ffn: width === 0 ? { block: 'no-op' } : { block: 'swiglu', width } }
  })
  return { block_configs: entries, puzzleflow: { layers: blocks } }
}

/** Whether a layer has softmax attention with fewer query heads than another. */
export const isFewer = (heads: number, kvHeads: number, most: number): boolean =>
  kvHeads > 0 && heads > 0 && heads < most
