import { familyOf, layerFacts, openModel, type Model, type ModelConfig } from '../../model/index.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import type { InputProblem, Inspection } from '../../spec/registry.js'
import { Failure, slots, type BlockName, type BlockType, type JsonObject, type LayerFacts } from '../../api/index.js'
import type { Loaded } from '../registry.js'
import { inspectChoices } from './choices.js'
import { inspectData } from './data.js'
import { inspectGguf } from './gguf.js'
import { problem } from './mistake.js'
import { inspectPrompts } from './prompts.js'
import { isSearch } from './puzzle-inputs.js'
import { inspectRuns, type Tried } from './runs.js'
import { inspectScenarios } from './scenario.js'
import { tooManyTasks, type VariantCounts } from './task-counts.js'
import { tryVariant } from './try-forward.js'

/** Mistakes in the inputs that show only in the files they name. */
export const inspectInputs = async (
  inputs: JsonObject,
  stages: readonly PlannedStage[],
  types: Types,
): Promise<Inspection> => inspectTexts(inputs, stages, await inspectModel(inputs, types))

type Types = Pick<Loaded, 'blocks' | 'runs'> & Partial<Pick<Loaded, 'originOf'>>

/** Mistakes that the model and the block types reveal. */
export interface ModelInspection extends Inspection {
  /** Absent when there is no model, or it cannot be read. */
  readonly config?: ModelConfig
  /** Likewise. */
  readonly counts?: VariantCounts
}

/** Adds stages that have too many tasks, and mistakes in data and tasks. */
export async function inspectTexts(
  inputs: JsonObject,
  stages: readonly PlannedStage[],
  found: ModelInspection,
): Promise<Inspection> {
  const { config, counts, problems, blocks, family, otherHead } = found
  const tooMany = config && counts ? tooManyTasks(stages, config.layers, counts) : []
  const inTexts =
    config && isSearch(inputs)
      ? [...(await inspectData(inputs, config)), ...(await inspectPrompts(stages, { folder: inputs.model, config }))]
      : []
  return {
    problems: [...problems, ...tooMany, ...inTexts],
    blocks,
    ...(family && { family }),
    ...(otherHead && { otherHead }),
  }
}

/** Variants of a slot in a layer, unless the spec's `limits.maxVariants` says otherwise. */
const defaultMaxVariants = 200

const tooMany = (slot: string, most: number, remedy: string) =>
  new Failure('InvalidInput', `with this entry a layer's ${slot} has more than ${most} variants`, { remedy })

/**
 * Variants of an entry in the first layer that can have it.
 * @param room  counting ends at one more
 * @throws Failure of the first layer where no layer can have them
 */
function countVariants(
  type: BlockType,
  config: ModelConfig,
  entry: JsonObject,
  room: number,
  isTried: boolean,
): number {
  let first: Failure | undefined
  for (const facts of distinctFacts(config))
    try {
      // One by one, and no further than the limit: a grid of a few lists may stand for millions.
      let count = 0
      const each = type.variants(facts, entry)[Symbol.iterator]()
      for (let next = each.next(); next.done !== true && count <= room; next = each.next()) {
        if (isTried) tryVariant(type, facts, next.value)
        count++
      }
      return count
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === 'PluginBug') throw error
      first ??= error
    }
  throw first!
}

/** Facts of layers; layers that differ only in their number appear once. */
function distinctFacts(config: ModelConfig): LayerFacts[] {
  const distinct = new Map<string, LayerFacts>()
  for (let layer = 0; layer < config.layers; layer++) {
    const facts = layerFacts(config, layer)
    const key = JSON.stringify({ ...facts, layer: 0 })
    if (!distinct.has(key)) distinct.set(key, facts)
  }
  return [...distinct.values()]
}

/**
 * Opens the parent (headers only) and asks every block and run type whether the parent can have what the space asks for.
 * @param tried  types of which each variant's graph is built. Default: none, those that come with puzzleflow are known
 */
export async function inspectModel(
  inputs: JsonObject,
  { blocks, runs, originOf }: Types,
  tried: Tried = () => false,
): Promise<ModelInspection> {
  if (!isSearch(inputs)) return { problems: [], blocks: [] }
  let model
  try {
    model = await openModel(inputs.model, blocks)
  } catch (error) {
    if (error instanceof Failure) return { problems: [problem(['model'], 'bad-model', error)], blocks: [] }
    throw error
  }
  const problems: InputProblem[] = []
  const most = inputs.limits?.maxVariants ?? defaultMaxVariants
  const counts = { attention: 0, ffn: 0 }
  for (const slot of slots) {
    let count = 0
    for (const [i, entry] of inputs.space[slot].entries()) {
      const fields = typeof entry === 'string' ? { block: entry } : entry
      if (fields.block === 'parent') continue
      try {
        const type = blocks.get(slot, fields.block as string)
        count += countVariants(type, model.config, fields, most - count, tried(type))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        const code = error.kind === 'PluginBug' ? 'broken-block' : 'impossible-variant'
        problems.push(problem(['space', slot, i], code, error))
      }
      if (count > most) {
        const remedy =
          'Shorten its lists, or raise limits.maxVariants: each variant is trained and scored in every layer.'
        problems.push(problem(['space', slot, i], 'too-many-variants', tooMany(slot, most, remedy)))
        break
      }
    }
    counts[slot] = count
  }
  problems.push(...inspectScenarios(inputs, model.config))
  const ofRuns = inspectRuns(model, inputs.space, { blocks, runs }, most, tried)
  const wrong = [...problems, ...ofRuns.problems]
  const ofModel = model.config.blocks.flatMap(({ attention, ffn }): BlockName[] => [
    { slot: 'attention', name: attention.block },
    { slot: 'ffn', name: ffn.block },
  ])
  const plugin = originOf?.(familyOf(model.config, blocks))?.digest
  return {
    problems: wrong.some(({ severity }) => severity === undefined)
      ? wrong
      : [...wrong, ...inspectChoices(model, inputs, runs), ...warningsOf(model), ...inspectGguf(model, inputs, runs)],
    ...(model.warnings && { otherHead: true }),
    blocks: [...ofModel, ...ofRuns.blocks],
    config: model.config,
    counts,
    ...(plugin !== undefined && { family: { name: model.config.family, plugin } }),
  }
}

/** Oddities of a model that can nevertheless be read. */
const warningsOf = ({ warnings = [] }: Model): InputProblem[] =>
  warnings.map((message) => ({
    path: ['model'],
    code: 'model-warning',
    message: `${message}.`,
    severity: 'warning',
  }))
