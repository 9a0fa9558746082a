import { Failure, type Blocks } from '../api/index.js'
import type { ModelConfig } from './config.js'
import { familyOf } from './families/index.js'

/** An error text for stored tensors that contradict config.json. */
export interface Disagreement {
  /** The message after the tensor's name. */
  readonly message: string
  readonly remedy: string
}

const copyBoth = 'The checkpoint does not fit its config.json: copy both from the same source.'

/** Endings of tensor names that identify quantised checkpoints. */
const quantised: readonly (readonly [end: RegExp, method: string])[] = [
  [/\.(qweight|qzeros|g_idx)$/, 'GPTQ or AWQ'],
  [/\.(absmax|quant_map|nested_absmax|quant_state\.[\w.]+|SCB)$/, 'bitsandbytes'],
  [/\.(weight_scale(_inv)?|weight_packed|weight_zero_point|input_scale)$/, 'FP8 or compressed-tensors'],
  [/\.(scales|biases)$/, 'MLX'],
]

/** Refuses checkpoints whose matrices are integers with scales.
 *  @throws Failure InvalidInput */
export function refuseQuantised(folder: string, names: Iterable<string>): void {
  for (const name of names) {
    const method = quantised.find(([end]) => end.test(name))?.[1]
    if (method !== undefined)
      throw new Failure(
        'InvalidInput',
        `${folder}: the checkpoint is quantised (${method}): it has the tensor ${name}`,
        {
          file: folder,
          remedy: 'Use the unquantised checkpoint, in F32, F16 or BF16.',
        },
      )
  }
}

/** The fields of config.json that determine a tensor's sizes, [rows, columns], by the end of the tensor's name. */
const fieldsOf: readonly (readonly [end: RegExp, fields: readonly string[]])[] = [
  [/\.q_proj\.(weight|bias)$/, ['num_attention_heads" × "head_dim', 'hidden_size']],
  [/\.[kv]_proj\.(weight|bias)$/, ['num_key_value_heads" × "head_dim', 'hidden_size']],
  [/\.qkv_proj\.weight$/, ['num_attention_heads", "num_key_value_heads" and "head_dim', 'hidden_size']],
  [/\.o_proj\.weight$/, ['hidden_size', 'num_attention_heads" × "head_dim']],
  [/\.(gate|up|gate_up)_proj\.(weight|bias)$/, ['intermediate_size', 'hidden_size']],
  [/\.down_proj\.weight$/, ['hidden_size', 'intermediate_size']],
  [/\.[qk]_norm\.weight$/, ['head_dim']],
  [/norm\.weight$|\.(o|down)_proj\.bias$/, ['hidden_size']],
]

/** Explains contradictions between the tensors and the config.json of one checkpoint. */
export class Disagreements {
  private readonly layersStored: ReadonlySet<number>

  /**
   * @param tensors       the stored tensors
   * @param expectedWith  the tensors to expect if config.json had this field; undefined for a model without a config.json that
   *                      the user could edit
   */
  constructor(
    private readonly config: ModelConfig,
    private readonly blocks: Blocks,
    tensors: Iterable<string>,
    private readonly expectedWith: ((field: string, value: boolean) => ReadonlyMap<string, unknown>) | undefined,
  ) {
    const stored = [...tensors].map((name) => this.layerOf(name)).filter((layer) => layer !== undefined)
    this.layersStored = new Set(stored)
  }

  missing(name: string): Disagreement {
    const layer = this.layerOf(name)
    if (!this.expectedWith) return { message: 'is missing', remedy: copyBoth }
    if (name === this.family.tensors.head)
      return {
        message: 'is missing',
        remedy:
          'If the head is the embedding, write "tie_word_embeddings": true into config.json; otherwise, copy all files of the checkpoint again.',
      }
    if (layer !== undefined && !this.layersStored.has(layer)) {
      const stored = this.layersStored.size
      return {
        message: `is missing, like all of layer ${layer}: config.json says "num_hidden_layers": ${this.config.layers}, and ${stored} ${stored === 1 ? 'layer is' : 'layers are'} stored`,
        remedy: copyBoth,
      }
    }
    const flag = flagOf(name)
    const said = flag !== undefined && !this.expectedWith(flag, false).has(name)
    return { message: said ? `is missing, though config.json says "${flag}": true` : 'is missing', remedy: copyBoth }
  }

  shape(name: string, stored: readonly number[], wanted: readonly number[]): Disagreement {
    const { embedding, head } = this.family.tensors
    const sides =
      name === embedding || name === head
        ? ['vocab_size', 'hidden_size']
        : (fieldsOf.find(([end]) => end.test(name))?.[1] ?? [])
    const differ = sides.filter((_, i) => stored[i] !== wanted[i])
    const why =
      this.expectedWith && differ.length > 0
        ? ` as "${differ.join('" and "')}" in config.json ${differ.length > 1 ? 'say' : 'says'}`
        : ''
    return { message: `is [${stored.join(', ')}], not [${wanted.join(', ')}]${why}`, remedy: copyBoth }
  }

  unexpected(name: string): Disagreement {
    const layer = this.layerOf(name)
    const { layers, family } = this.config
    const message = 'is not part of this model'
    if (this.expectedWith && layer !== undefined && layer >= layers)
      return {
        message: `${message}: config.json says "num_hidden_layers": ${layers}, and ${Math.max(...this.layersStored) + 1} are stored`,
        remedy: copyBoth,
      }
    const flag = flagOf(name)
    if (this.expectedWith && flag !== undefined)
      return this.expectedWith(flag, true).has(name)
        ? {
            message: `${message}: config.json does not say "${flag}": true`,
            remedy: `If the model has these biases, write "${flag}": true into config.json; otherwise, copy both from the same source.`,
          }
        : {
            message: `${message}: layers of the family ${family} have no such bias`,
            remedy: `${copyBoth} Perhaps "model_type" is wrong.`,
          }
    if (/\.[qk]_norm\.weight$/.test(name))
      return {
        message: `${message}: layers of the family ${family} have no norms of queries and keys`,
        remedy: `${copyBoth} Perhaps "model_type" is wrong.`,
      }
    return { message, remedy: `${copyBoth} A layer with more weights than its family's is not supported.` }
  }

  private get family() {
    return familyOf(this.config, this.blocks)
  }

  private layerOf(name: string): number | undefined {
    const { layers } = this.family.tensors
    if (!name.startsWith(layers)) return undefined
    const number = /^\d+/.exec(name.slice(layers.length))?.[0]
    return number === undefined ? undefined : Number(number)
  }
}

/** The field of config.json for the presence of a bias. */
function flagOf(name: string): string | undefined {
  if (/\.self_attn\.\w+_proj\.bias$/.test(name)) return 'attention_bias'
  return /\.mlp\.\w+_proj\.bias$/.test(name) ? 'mlp_bias' : undefined
}
