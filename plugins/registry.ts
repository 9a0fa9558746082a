import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  familyOf,
  layerFacts,
  modelFiles,
  modelProblem,
  openModel,
  type Model,
  type ModelConfig,
} from '../model/index.js'
import { packageRoot } from '../store/paths.js'
import type { PlannedPlugin } from '../spec/frozen-plan.js'
import type { InputProblem, Inspection, Registry } from '../spec/registry.js'
import {
  Failure,
  type BlockName,
  type Blocks,
  type BlockType,
  type Family,
  type JsonObject,
  type LayerFacts,
  type Runs,
  type RunType,
  type Stage,
} from '../api/index.js'
import { builtInBlocks, makeBlocks } from './blocks/index.js'
import { builtInRuns, makeRuns } from './runs/index.js'
import { inspectData } from './inspect/data.js'
import { inspectGguf } from './inspect/gguf.js'
import { inspectRuns, problem, type Tried } from './inspect/runs.js'
import { builtInStages } from './stages/index.js'
import { taskFiles, tasksProblem } from '../data/task-items.js'
import { tryVariant } from './inspect/try-forward.js'

/** Stage, block and run types that a plan can use. */
export interface Loaded {
  stage(name: string): Stage
  readonly stages: readonly Stage[]
  readonly blocks: Blocks
  readonly runs: Runs
  /** The plugin that one of these types came from; undefined when it came with puzzleflow. */
  originOf(type: Stage | BlockType | RunType | Family): PlannedPlugin | undefined
}

/** Loads stage, block and run types: those that come with puzzleflow. */
export const loadPlugins = (): Loaded => makeLoaded(builtInStages, builtInBlocks, builtInRuns)

/** @throws Failure PluginBug when two types have the same name */
export function makeLoaded(
  stages: readonly Stage[],
  blocks: readonly BlockType[],
  runs: readonly RunType[],
  originOf: Loaded['originOf'] = () => undefined,
  families: readonly Family[] = [],
): Loaded {
  const byName = new Map<string, Stage>()
  for (const stage of stages) {
    if (byName.has(stage.name)) throw new Failure('PluginBug', `There are two stage types named "${stage.name}"`)
    byName.set(stage.name, stage)
  }
  return {
    stages,
    blocks: makeBlocks(blocks, families),
    runs: makeRuns(runs),
    originOf,
    stage(name) {
      const stage = byName.get(name)
      if (!stage) throw new Failure('InvalidInput', `There is no stage type "${name}"`)
      return stage
    },
  }
}

/** The run types with these names: what a task's plan does not name is no part of its key, so the task does not see it. */
export const onlyRuns = (runs: Runs, names: readonly string[] = []): Runs =>
  makeRuns(runs.list().filter(({ name }) => names.includes(name)))

const folder = () => join(packageRoot(), 'plugins', 'pipelines')

/** Text of a built-in pipeline. */
export function builtInPipeline(name: string): { text: string; file: string } | undefined {
  if (!builtInPipelines().includes(name)) return undefined
  const file = join(folder(), `${name}.yaml`)
  return { text: readFileSync(file, 'utf8'), file }
}

export const builtInPipelines = (): string[] =>
  readdirSync(folder())
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -5))

/** What is read of paths with a format of their own. */
export const inputContents: NonNullable<Registry['contents']> = {
  model: { files: modelFiles, problem: modelProblem },
  tasks: { files: taskFiles, problem: tasksProblem },
}

/** Mistakes in the inputs that only their contents tell. */
export const inspectInputs = async (inputs: JsonObject, types: Types): Promise<Inspection> =>
  inspectTexts(inputs, await inspectModel(inputs, types))

type Types = Pick<Loaded, 'blocks' | 'runs'> & Partial<Pick<Loaded, 'originOf'>>

/** What the model and the block types say. */
export interface ModelInspection extends Inspection {
  /** Absent when there is no model, or it cannot be read. */
  readonly config?: ModelConfig
}

/** Adds mistakes in data and tasks. */
export async function inspectTexts(inputs: JsonObject, found: ModelInspection): Promise<Inspection> {
  const { config, problems, blocks, family, otherHead } = found
  return {
    problems: config ? [...problems, ...(await inspectData(inputs, config))] : problems,
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

/** A scenario longer than the model's positions is measured all the same: what it generates there is not looked at. */
function beyondPositions({ target }: JsonObject, { maxPositions }: ModelConfig): InputProblem[] {
  const { prefill = 0, generate = 0 } = ((target as JsonObject | undefined)?.scenario ?? {}) as {
    prefill?: number
    generate?: number
  }
  if (prefill + generate <= maxPositions) return []
  const message = `The scenario has ${prefill + generate} positions, and the model knows ${maxPositions}: it is measured, but what the model would write there is not sensible.`
  const hint = `prefill and generate together should be at most ${maxPositions}`
  return [{ path: ['target', 'scenario'], code: 'beyond-positions', message, hint, severity: 'warning' }]
}

/** Facts of layers, those once that differ in nothing but their number. */
function distinctFacts(config: ModelConfig): LayerFacts[] {
  const found = new Map<string, LayerFacts>()
  for (let layer = 0; layer < config.layers; layer++) {
    const facts = layerFacts(config, layer)
    const key = JSON.stringify({ ...facts, layer: 0 })
    if (!found.has(key)) found.set(key, facts)
  }
  return [...found.values()]
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
  if (typeof inputs.model !== 'string' || inputs.space === undefined) return { problems: [], blocks: [] }
  let model
  try {
    model = await openModel(inputs.model, blocks)
  } catch (error) {
    if (error instanceof Failure) return { problems: [problem(['model'], 'bad-model', error)], blocks: [] }
    throw error
  }
  const problems: InputProblem[] = []
  const most = (inputs.limits as { maxVariants?: number } | undefined)?.maxVariants ?? defaultMaxVariants
  for (const slot of ['attention', 'ffn'] as const) {
    let count = 0
    for (const [i, entry] of ((inputs.space as JsonObject)[slot] as readonly (string | JsonObject)[]).entries()) {
      const own = typeof entry === 'string' ? { block: entry } : entry
      if (own.block === 'parent') continue
      try {
        const type = blocks.get(slot, own.block as string)
        count += countVariants(type, model.config, own, most - count, tried(type))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        const code = error.kind === 'PluginBug' ? 'broken-block' : 'impossible-variant'
        problems.push(problem(['space', slot, i], code, error))
      }
      if (count > most) {
        const remedy = 'Shorten its lists, or raise limits.maxVariants: each is trained and scored in every layer.'
        problems.push(problem(['space', slot, i], 'too-many-variants', tooMany(slot, most, remedy)))
        break
      }
    }
  }
  problems.push(...beyondPositions(inputs, model.config))
  const ofRuns = inspectRuns(model, inputs.space as JsonObject, { blocks, runs }, most, tried)
  const wrong = [...problems, ...ofRuns.problems]
  const own = model.config.blocks.flatMap(({ attention, ffn }): BlockName[] => [
    { slot: 'attention', name: attention.block },
    { slot: 'ffn', name: ffn.block },
  ])
  const plugin = originOf?.(familyOf(model.config, blocks))?.digest
  return {
    problems: wrong.some(({ severity }) => severity === undefined)
      ? wrong
      : [...wrong, ...warningsOf(model), ...inspectGguf(model, inputs, runs)],
    ...(model.warnings && { otherHead: true }),
    blocks: [...own, ...ofRuns.blocks],
    config: model.config,
    ...(plugin !== undefined && { family: { name: model.config.family, plugin } }),
  }
}

/** What is odd about a model, though it can be read. */
const warningsOf = ({ warnings = [] }: Model): InputProblem[] =>
  warnings.map((message) => ({
    path: ['model'],
    code: 'model-warning',
    message: `${message}.`,
    severity: 'warning',
  }))
