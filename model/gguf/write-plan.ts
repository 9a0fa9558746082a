import { Failure, slots, type BlockChoice, type Slot } from '../../api/index.js'
import type { Model } from '../model.js'
import { parentBlocks, type ModelConfig } from '../config.js'
import { pack, type PackedLayer, type Part } from './pack.js'
import { architectures, lacks, type Architecture } from './write-architectures.js'

/** How a model is written. */
export interface GgufPlan {
  readonly architecture: Architecture
  readonly layers: readonly PackedLayer[]
}

const remedyOf = {
  block:
    'Search with `target: { format: gguf }`, which leaves such blocks out, or export it as `hf` or `onnx`, which support them.',
  model: 'Export it as `hf` or `onnx`.',
}

/** Maps a sub-block to GGUF: `none` if it is empty, `cannot` with the reason if GGUF cannot represent it. */
export function partOf(
  config: ModelConfig,
  layer: number,
  slot: Slot,
  { block, params }: BlockChoice,
): Part | 'none' | { readonly cannot: string } {
  const place = { layer, slot }
  const number = (name: string) => Number(params[name])
  switch (`${slot}/${block}`) {
    case 'attention/no-op':
    case 'ffn/no-op':
      return 'none'
    case 'attention/grouped-query':
      return { ...place, kind: 'softmax', heads: config.heads, kvHeads: number('kvHeads') }
    case 'attention/sliding-window':
      return { ...place, kind: 'softmax', heads: config.heads, kvHeads: number('kvHeads'), window: number('window') }
    case 'attention/fewer-heads':
      return { ...place, kind: 'softmax', heads: number('heads'), kvHeads: number('kvHeads') }
    case 'attention/linear':
      return { ...place, kind: 'linear', bias: config.qkvBias || config.outputBias }
    case 'ffn/linear':
      return { ...place, kind: 'linear', bias: config.mlpBias }
    case 'ffn/swiglu':
      return { ...place, kind: 'ffn', width: number('width') }
    // Pairs of thin matrices are written as their product, which is just as exact, but larger.
    case 'ffn/low-rank':
      return { ...place, kind: 'ffn', width: config.intermediate }
    case 'attention/linear-attention':
    case 'attention/gated-linear-attention':
      return { cannot: 'llama.cpp has no operator for this recurrence' }
    case 'attention/latent-attention':
      return {
        cannot: 'llama.cpp rotates the same channels in all layers, but this block rotates only a part of each head',
      }
    default:
      return { cannot: 'llama.cpp does not know this block type' }
  }
}

/**
 * Returns why GGUF cannot represent a model, or a child of it, with this block at this layer; undefined if it can.
 *
 * @param config  the parent's
 */
export function ggufCannot(config: ModelConfig, layer: number, slot: Slot, choice: BlockChoice): string | undefined {
  const part = partOf(config, layer, slot, choice)
  if (part !== 'none' && 'cannot' in part) return part.cannot
  const parentBlock = parentBlocks(config, layer)[slot]
  const alone = { ...config, blocks: config.ownBlocks }
  // Quantised weights are written dequantised.
  if (
    choice.block === parentBlock.block &&
    Object.entries(choice.params).every(([k, v]) => k === 'weights' || parentBlock.params[k] === v)
  )
    return modelCannot(alone)
  const deci = architectures.find(({ mixed }) => mixed)!
  const lack = lacks(deci, alone)
  if (lack !== undefined) return `${deci.name}, llama.cpp's only architecture for layers that differ so, ${lack}`
  return part !== 'none' && isShort(part, config) ? windowless(part.window) : undefined
}

/** Returns why GGUF cannot represent a model; undefined if it can. */
function modelCannot(config: ModelConfig): string | undefined {
  const plan = planOf(config)
  return 'cannot' in plan ? plan.cannot : undefined
}

/** Whether a block has a window shorter than the context. */
const isShort = (part: Part, { maxPositions }: ModelConfig): part is Part & { readonly window: number } =>
  part.kind === 'softmax' && part.window !== undefined && part.window < maxPositions

const windowless = (window: number) =>
  `architectures without norms after blocks have no window, and this one (${window} tokens) is shorter than the context`

type Found = GgufPlan | { readonly cannot: string; readonly place?: { readonly layer: number; readonly slot: Slot } }

/** Plans how to write a model.
 *  @throws Failure InvalidInput naming the layer and block type that GGUF cannot represent */
export function ggufPlan({ config, folder }: Pick<Model, 'config' | 'folder'>): GgufPlan {
  const plan = planOf(config)
  if (!('cannot' in plan)) return plan
  const { cannot, place } = plan
  const where = place && `layer ${place.layer}, ${place.slot} ${config.blocks[place.layer]![place.slot].block}: `
  throw new Failure('InvalidInput', `${folder} cannot be written as GGUF: ${where ?? ''}${cannot}`, {
    file: folder,
    remedy: place ? remedyOf.block : remedyOf.model,
  })
}

function planOf(config: ModelConfig): Found {
  const parts: Part[] = []
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of slots) {
      const part = partOf(config, layer, slot, config.blocks[layer]![slot])
      if (part === 'none') continue
      if ('cannot' in part) return { ...part, place: { layer, slot } }
      parts.push(part)
    }
  const uniform = uniformLayers(parts)
  const reasons: Found[] = []
  for (const architecture of architectures) {
    const plan = planFor(architecture, config, parts, uniform)
    if (!('cannot' in plan)) return plan
    reasons.push(plan)
  }
  // The closest architecture is the one for the model's family.
  const near = architectures.findIndex((own) => own.qkNorm === config.qkNorm && own.postNorms === config.postNorms)
  const deci = architectures.findIndex(({ mixed }) => mixed)
  return reasons[config.qkNorm || config.postNorms ? Math.max(near, 0) : deci]!
}

function planFor(
  architecture: Architecture,
  config: ModelConfig,
  parts: readonly Part[],
  uniform: readonly PackedLayer[] | { readonly different: Part },
): Found {
  const { name, mixed, windows } = architecture
  const lack = lacks(architecture, config)
  if (lack !== undefined) return { cannot: `llama.cpp's architecture ${name} ${lack}` }
  const windowed = parts.filter((part) => isShort(part, config)) as (Part & { readonly window: number })[]
  const [first] = windowed
  if (first && !windows) return { cannot: windowless(first.window), place: first }
  const other = windowed.find(({ window }) => window !== first!.window)
  if (other)
    return {
      cannot: `llama.cpp has one window for all layers, but another layer has one of ${first!.window}`,
      place: other,
    }
  if (mixed) return { architecture, layers: pack(parts) }
  if ('different' in uniform)
    return {
      cannot: `layers of llama.cpp's architecture ${name} are all alike, but this one differs from the first`,
      place: uniform.different,
    }
  return { architecture, layers: uniform }
}

/** Stands for the first layer of a model whose blocks are all empty. */
const nothing: Part = { layer: 0, slot: 'attention', kind: 'linear', bias: false }

/** Returns the layers, without empty ones, if they are all alike; otherwise the first part that differs. */
function uniformLayers(parts: readonly Part[]): readonly PackedLayer[] | { readonly different: Part } {
  const layers: PackedLayer[] = []
  const [first, second] = parts
  for (let i = 0; i < parts.length; i += 2) {
    const [attention, ffn] = [parts[i]!, parts[i + 1]]
    if (attention.kind !== 'softmax' || first?.kind !== 'softmax') return { different: attention }
    if (attention.heads !== first.heads || attention.kvHeads !== first.kvHeads) return { different: attention }
    if (ffn?.kind !== 'ffn' || ffn.layer !== attention.layer || second?.kind !== 'ffn')
      return { different: ffn ?? attention }
    if (ffn.width !== second.width) return { different: ffn }
    layers.push({ attention, ffn })
  }
  return first ? layers : { different: nothing }
}
