import { layerFacts, normalise, rotaryOf, rotaryTables, splitNorms, type Model } from '../model/index.js'
import {
  digestJson,
  type ArtifactRef,
  type BlockChoice,
  type Environment,
  type Files,
  type LayerStatistics,
  type Sample,
  type Slot,
  type Weights,
} from '../api/index.js'
import { withWeights } from '../api/weights.js'
import { captured, hiddenName, midName, type CapturedFiles, type CapturedStatistics } from './captured.js'
import { layerName } from './layer-name.js'
import { readJson, readWeights, type Base, type Variant } from './library.js'
import { HiddenStates } from './hidden-states.js'
import { readSequences } from '../data/sequences.js'

/** Results of `capture` that initial weights are derived from. */
export interface InitialInputs {
  readonly statistics: ArtifactRef<CapturedStatistics>
  /** Hidden states of calibration text before the slot's norm, for block types with `sampleTokens`. */
  readonly sample?: { readonly states: ArtifactRef; readonly tokens: ArtifactRef }
  /** What the block was in the round before. */
  readonly earlier?: ArtifactRef | undefined
}

/**
 * Returns the inputs that a task needs to initialise block types that look at a sample: the hidden states that entered each
 * slot in the parent, as `sample-SLOT`, and the text.
 * @param files  artifacts of `capture`
 * @param text   name for the text's input; undefined if the task already has the text
 */
export function samplesFor(
  model: Model,
  layer: number,
  wanted: readonly (BlockChoice & { readonly slot: Slot })[],
  files: CapturedFiles,
  text?: string,
): Files {
  const sampled = wanted.filter(({ slot, block, params }) => model.blocks.get(slot, block).sampleTokens?.(params))
  if (sampled.length === 0) return {}
  const entering = { attention: hiddenName, ffn: midName }
  return {
    ...Object.fromEntries(
      sampled.map(({ slot }) => [sampleName(slot), captured(files, entering[slot]('train', layer))]),
    ),
    ...(text !== undefined && { [text]: files.tokens }),
  }
}

const sampleName = (slot: Slot) => `sample-${slot}`

/** Finds the sample of a slot among a task's inputs from `samplesFor`. */
export function sampleInputs(inputs: Files, slot: Slot, text: string): Pick<InitialInputs, 'sample'> {
  const states = inputs[sampleName(slot)]
  return states ? { sample: { states, tokens: inputs[text]! } } : {}
}

/** Derives training-free weights of a variant, including `norm`, from the parent's weights and the statistics of `capture`; or
 *  returns the weights that it had in the round before. */
export async function initialWeights(
  context: Pick<Environment, 'open'>,
  model: Base,
  layer: number,
  slot: Slot,
  variant: Pick<Variant, 'block' | 'params'> & { readonly parent: boolean },
  inputs: InitialInputs,
): Promise<Weights> {
  const type = model.blocks.get(slot, variant.block)
  if (type.empty) return {}
  if (inputs.earlier) return readWeights(await context.open(inputs.earlier))
  const parent = await model.weights(layer, slot)
  if (variant.parent || alike(variant, model.config.blocks[layer]![slot])) return parent
  // Of all blocks that are not the base's, only the parent's needed no training in the round before.
  if (model.origin) return model.origin.parent.weights(layer, slot)
  const contribution = (await readJson(context, inputs.statistics))[layerName(layer)]
  const { norms, own } = splitNorms(parent)
  const tokens = type.sampleTokens?.(variant.params) ?? 0
  const statistics: LayerStatistics = {
    ...(contribution?.length && { channelContribution: Float32Array.from(contribution) }),
    ...(tokens > 0 &&
      inputs.sample && { sample: await readSample(context, model, layer, norms.norm!.data, tokens, inputs.sample) }),
  }
  return { ...norms, ...(await type.initialise(own, layerFacts(model.config, layer), variant.params, statistics)) }
}

/** Whether two blocks differ at most in how their weights are stored in memory. */
export function alike(a: BlockChoice, b: BlockChoice): boolean {
  const plain = ({ block, params }: BlockChoice) => digestJson([block, withWeights(params, 'float32')])
  return plain(a) === plain(b)
}

/** Reads as many sequences as needed for the requested number of tokens. */
async function readSample(
  context: Pick<Environment, 'open'>,
  { config }: Model,
  layer: number,
  norm: Float32Array,
  tokens: number,
  { states, tokens: text }: NonNullable<InitialInputs['sample']>,
): Promise<Sample> {
  const all = await readSequences(context, text)
  const { length } = all
  const sequences = Math.min(all.count, Math.ceil(tokens / length))
  const x = (await HiddenStates.read(await context.open(states))).rows(0, sequences * length)
  normalise(x, norm, config)
  const { cos, sin } = rotaryTables(rotaryOf(config, layer), config.headDim, 0, length)
  return { sequences, length, x, mask: all.mask.slice(0, sequences * length), rotary: { cos, sin } }
}
