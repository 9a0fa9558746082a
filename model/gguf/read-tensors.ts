import { transposed } from '../names.js'
import type { GgufFile } from './container.js'
import { isFewer, type GgufDescription, type LayerSizes } from './read-config.js'
import { entryOf } from '../../errors/foreign.js'

/** A tensor as in a Hugging Face checkpoint of the family. */
export interface NamedTensor {
  readonly shape: readonly number[]
  /** Its name in the file; undefined for zeros that the file omits. */
  readonly from: string | undefined
  /** Converts the file's values to the family's. */
  readonly made: (values: Float32Array) => Float32Array
}

const same = (values: Float32Array): Float32Array => values

/** Returns the tensors of a GGUF file by their Hugging Face names. Tensors without such a name keep their own. */
export function namedTensors(file: GgufFile, description: GgufDescription): Map<string, NamedTensor> {
  const { architecture, layers, fields } = description
  const named = new Map<string, NamedTensor>()
  const norm = (values: Float32Array) => (architecture.normOffset === 0 ? values : values.map((value) => value - 1))
  const ends: Readonly<Record<string, string>> = {
    'token_embd.weight': 'model.embed_tokens.weight',
    'output_norm.weight': 'model.norm.weight',
    'output.weight': 'lm_head.weight',
  }
  for (const { name, shape } of file.tensors.values()) {
    if (name === 'rope_freqs.weight') continue
    const part = /^blk\.(\d+)\.(.+)$/.exec(name)
    const layer = Number(part?.[1])
    const place = part && layers[layer] ? placeOf(part[2]!, layers[layer], description) : undefined
    if (place) {
      const { name: own, made = same, transpose = false } = place
      const turned = (values: Float32Array) => transposed(made(values), shape[0]!, shape[1]!)
      named.set(`model.layers.${layer}.${own}`, {
        shape: transpose ? [...shape].reverse() : shape,
        from: name,
        made: transpose ? turned : /norm\.weight$/.test(name) ? norm : made,
      })
    } else
      named.set(entryOf(ends, name) ?? name, { shape, from: name, made: name === 'output_norm.weight' ? norm : same })
  }
  addZeros(named, description, fields.hidden_size as number)
  return named
}

interface Place {
  /** Name after `model.layers.N.` */
  readonly name: string
  readonly made?: (values: Float32Array) => Float32Array
  readonly transpose?: boolean
}

const ffn: Readonly<Record<string, string>> = {
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}
const attention: Readonly<Record<string, string>> = { attn_q: 'q', attn_k: 'k', attn_v: 'v', attn_output: 'o' }

function placeOf(name: string, { heads, kvHeads }: LayerSizes, description: GgufDescription): Place | undefined {
  const { architecture, headDim, fields } = description
  const [stem, kind] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)]
  const norms: Readonly<Record<string, string>> = {
    attn_norm: 'input_layernorm',
    ffn_norm: architecture.postNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm',
    attn_q_norm: 'self_attn.q_norm',
    attn_k_norm: 'self_attn.k_norm',
    ...(architecture.postNorms && {
      post_attention_norm: 'post_attention_layernorm',
      post_ffw_norm: 'post_feedforward_layernorm',
    }),
  }
  const plain = entryOf(norms, stem) ?? entryOf(ffn, stem)
  if (plain !== undefined) return { name: `${plain}.${kind}` }
  const weight = entryOf(attention, stem)
  if (weight === undefined) return undefined
  if (kvHeads === 0) return weight === 'o' ? { name: `self_attn.linear_attn.${kind}` } : undefined
  const headCount = weight === 'q' ? heads : kvHeads
  const made = architecture.paired && (weight === 'q' || weight === 'k') ? halves(headCount, headDim) : same
  if (!isFewer(heads, kvHeads, fields.num_attention_heads as number))
    return { name: `self_attn.${weight}_proj.${kind}`, made }
  // The block type `fewer-heads` is puzzleflow's own: it has other names, and matrices as [in, out].
  return kind === 'bias'
    ? { name: `attention.${weight}.bias`, made }
    : { name: `attention.${weight}`, made, transpose: true }
}

/** Moves the rows of each head so that pairs that are rotated together are no longer neighbours, but in two halves: row 2 i + h
 *  moves to h * headDim / 2 + i. */
const halves =
  (heads: number, headDim: number) =>
  (values: Float32Array): Float32Array => {
    const width = values.length / (heads * headDim)
    const half = headDim / 2
    const out = new Float32Array(values.length)
    for (let head = 0; head < heads; head++)
      for (let i = 0; i < headDim; i++) {
        const from = (head * headDim + i) * width
        const to = (head * headDim + (i % 2) * half + (i >> 1)) * width
        out.set(values.subarray(from, from + width), to)
      }
    return out
  }

/** Adds zeros for missing biases: if one layer has a bias, all layers of the family do, but the file omits those that are
 *  zero. */
function addZeros(
  named: Map<string, NamedTensor>,
  { layers, fields, headDim, architecture }: GgufDescription,
  hidden: number,
): void {
  const most = fields.num_attention_heads as number
  // Qwen2 always has biases of queries, keys and values, and never one of attention's output.
  const withOutput = architecture.modelType !== 'qwen2'
  layers.forEach(({ heads, kvHeads, width }, layer) => {
    const zeros = (name: string, length: number) => {
      const full = `model.layers.${layer}.${name}`
      const made = () => new Float32Array(length)
      if (!named.has(full)) named.set(full, { shape: [length], from: undefined, made })
    }
    if (fields.attention_bias === true && kvHeads > 0) {
      const spell = (w: string) => (isFewer(heads, kvHeads, most) ? `attention.${w}.bias` : `self_attn.${w}_proj.bias`)
      zeros(spell('q'), heads * headDim)
      zeros(spell('k'), kvHeads * headDim)
      zeros(spell('v'), kvHeads * headDim)
      if (withOutput) zeros(spell('o'), hidden)
    }
    if (fields.mlp_bias === true && width > 0) {
      zeros('mlp.gate_proj.bias', width)
      zeros('mlp.up_proj.bias', width)
      zeros('mlp.down_proj.bias', hidden)
    }
  })
}
