import { rotaryOf, type ModelConfig, type RotaryConfig } from '../config.js'

/** An architecture of llama.cpp that models can be written for. The facts come from its loaders and graphs.
 *  @source https://github.com/ggml-org/llama.cpp, src/models */
export interface Architecture {
  readonly name: string
  /** Whether layers can differ. */
  readonly mixed: boolean
  /** Channels that are rotated together: neighbours, or one from each half of the head (as in checkpoints). */
  readonly pairs: 'neighbours' | 'halves'
  readonly activation: ModelConfig['activation']
  readonly qkNorm: boolean
  readonly postNorms: boolean
  /** The biases that a model may have. */
  readonly biases: readonly ('qkvBias' | 'outputBias' | 'mlpBias')[]
  /** Whether some layers may have a window, of the same size in all of them. */
  readonly windows: boolean
  /** Whether the graph divides rotary frequencies by `rope_freqs.weight`. */
  readonly factors: boolean
  /** Whether the graph multiplies embeddings by sqrt(hidden). */
  readonly scaledEmbedding: boolean
  readonly softcaps: readonly ('finalSoftcap' | 'attentionSoftcap')[]
  /** Whether the graph always caps, even if the file has no key for it. */
  readonly alwaysCaps?: boolean
  /** Number of layers of the model whose attention the graph scales by hidden / heads instead of the head size. */
  readonly scaledByMean?: number
  /** Whether heads * headDim must equal the hidden size. */
  readonly headsFillHidden?: boolean
  readonly tiedOnly?: boolean
}

const like = {
  mixed: false,
  pairs: 'halves',
  activation: 'silu',
  qkNorm: false,
  postNorms: false,
  biases: [],
  windows: false,
  factors: false,
  scaledEmbedding: false,
  softcaps: [],
} as const

const llama: Architecture = {
  ...like,
  name: 'llama',
  pairs: 'neighbours',
  biases: ['qkvBias', 'outputBias', 'mlpBias'],
  factors: true,
}

const gemma = {
  ...like,
  activation: 'gelu-tanh',
  postNorms: true,
  windows: true,
  scaledEmbedding: true,
} as const

/** The architectures in order of preference. */
export const architectures: readonly Architecture[] = [
  { ...like, name: 'qwen2', biases: ['qkvBias'], headsFillHidden: true },
  llama,
  { ...llama, name: 'deci', mixed: true },
  { ...like, name: 'qwen3', qkNorm: true },
  {
    ...gemma,
    name: 'gemma2',
    softcaps: ['finalSoftcap', 'attentionSoftcap'],
    alwaysCaps: true,
    scaledByMean: 46,
    tiedOnly: true,
  },
  { ...gemma, name: 'gemma3', qkNorm: true, softcaps: ['finalSoftcap'], scaledByMean: 62 },
]

/** Returns why an architecture cannot compute a model as a whole, as the end of a sentence; undefined if it can. Layers are
 *  checked elsewhere. */
export function lacks(arch: Architecture, config: ModelConfig): string | undefined {
  const { name } = arch
  if (name === 'qwen2' && config.family !== 'qwen2') return 'is only for the family qwen2'
  if (config.qkNorm !== arch.qkNorm)
    return config.qkNorm ? 'has no norms of queries and keys' : 'needs norms of queries and keys'
  if (config.postNorms !== arch.postNorms)
    return config.postNorms ? 'has no norms after blocks' : 'needs norms after blocks'
  if (config.activation !== arch.activation) return `has no ${config.activation} FFN`
  for (const bias of ['qkvBias', 'outputBias', 'mlpBias'] as const)
    if (config[bias] && !arch.biases.includes(bias)) return `has no biases of ${biased[bias]}`
  for (const cap of ['finalSoftcap', 'attentionSoftcap'] as const) {
    if (config[cap] !== undefined && !arch.softcaps.includes(cap)) return `has no softcap of ${capped[cap]}`
    if (config[cap] === undefined && arch.alwaysCaps) return `needs a softcap of ${capped[cap]}`
  }
  // The factor of attention is written into the norms of queries and keys; here there are none.
  if (arch.headsFillHidden && config.heads * config.headDim !== config.hidden)
    return `needs heads whose sizes add up to the hidden size`
  if (arch.tiedOnly && !config.tied) return 'needs a head tied to the embedding'
  return rotaryLack(arch, config)
}

const biased = { qkvBias: 'queries, keys and values', outputBias: "attention's output", mlpBias: 'FFNs' } as const
const capped = { finalSoftcap: 'logits', attentionSoftcap: 'attention' } as const

function rotaryLack(arch: Architecture, config: ModelConfig): string | undefined {
  const { global, local } = rotaryKinds(arch, config)
  if (global.length > 1 || local.length > 1) return 'has one rotary embedding for all layers'
  for (const { scaling } of [...global, ...local]) {
    if (scaling?.kind === 'none') return 'has no layers without rotary embedding'
    if (scaling?.kind === 'dynamic') return 'has no dynamic rotary scaling'
    if (scaling && !arch.factors && !saidByKeys(scaling)) return `has no ${scaling.kind} rotary scaling`
  }
  // The keys for scaling apply only to layers without a window.
  if (local.some(({ scaling }) => scaling)) return 'does not scale the rotary embedding of layers with a window'
  return undefined
}

/** Returns the rotary embeddings of layers without and with a window. For an architecture without windows, all count as
 *  without. */
export function rotaryKinds(
  { windows }: Pick<Architecture, 'windows'>,
  config: ModelConfig,
): { readonly global: readonly RotaryConfig[]; readonly local: readonly RotaryConfig[] } {
  const kinds = { global: new Set<RotaryConfig>(), local: new Set<RotaryConfig>() }
  config.blocks.forEach(({ attention }, layer) => {
    if (attention.block === 'no-op' || attention.block === 'linear') return
    kinds[windows && attention.block === 'sliding-window' ? 'local' : 'global'].add(rotaryOf(config, layer))
  })
  return { global: [...kinds.global], local: [...kinds.local] }
}

/** Whether the file's keys can describe a scaling. Otherwise `rope_freqs.weight` has a divisor for each frequency. */
export const saidByKeys = (scaling: NonNullable<RotaryConfig['scaling']>): boolean =>
  scaling.kind === 'linear' ||
  (scaling.kind === 'yarn' && scaling.betaFast === 32 && scaling.betaSlow === 1 && scaling.truncate)
