import { existsSync, statfsSync, statSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname } from 'node:path'
import { layerFacts, modelShapes, openModel, type Model } from '../../model/index.js'
import type { FrozenPlan, PlannedStage } from '../../spec/frozen-plan.js'
import { elements } from '../../tensor/index.js'
import { Failure, type Blocks, type Json, type JsonObject, type Runs } from '../../api/index.js'
import { lookAt } from '../../data/data-file.js'
import { lessons, type DistillParams } from '../../puzzle/curriculum.js'

/** What a stage needs of the machine, about. */
export interface StageNeeds {
  readonly stage: string
  /** Bytes that it stores. */
  readonly disk: number
  /** Bytes that it holds at once. */
  readonly memory: number
}

/**
 * What the built-in stages of a plan will need: hidden states, the library, the child. Stages of plugins count nothing,
 * and of what depends on the solution the half is taken, so that no machine is refused that would do.
 */
export async function needsOf(
  plan: FrozenPlan,
  { blocks, runs }: { readonly blocks: Blocks; readonly runs: Runs },
): Promise<StageNeeds[]> {
  const { model: folder } = plan.inputs
  const known = plan.stages.filter(({ uses, plugin }) => plugin === undefined && uses in estimates)
  if (typeof folder !== 'string' || known.length === 0) return []
  const model = await openModel(folder, blocks)
  return known.map((planned) => ({
    stage: planned.name,
    ...{ disk: 0, memory: 0, ...estimates[planned.uses]!(planned, model, plan.inputs, runs) },
  }))
}

const float32 = 4
/** Of a number in a file; of `q8_0` with its part of a scale. */
const bytesOf = (dtype: Json | undefined): number => (dtype === 'float32' ? float32 : dtype === 'q8_0' ? 34 / 32 : 2)
const total = (shapes: Readonly<Record<string, readonly number[]>>) =>
  Object.values(shapes).reduce((n, shape) => n + elements(shape), 0)
const parameters = ({ config, blocks }: Model) => total(modelShapes(config, blocks))

type Estimate = (
  planned: PlannedStage,
  model: Model,
  inputs: JsonObject,
  runs: Runs,
) => Partial<Omit<StageNeeds, 'stage'>>

const estimates: Readonly<Record<string, Estimate>> = {
  capture({ params }, { config: { layers, hidden } }, inputs) {
    const data = inputs.data as Partial<Record<'train' | 'validate', { path: string }>> & { sequenceLength?: number }
    const length = data.sequenceLength ?? 128
    const wanted = (set: 'train' | 'validate', most: unknown) =>
      Math.min(Number(most), sequencesAtMost(data[set]?.path, length))
    const sequences = wanted('train', params.sequences) + wanted('validate', params.validateSequences)
    return { disk: Math.min(sequences * (2 * layers + 1) * length * (2 * hidden + 4), Number(params.maxBytes)) }
  },
  distill({ params }, model, inputs, runs) {
    if (typeof inputs.space !== 'object') return {}
    const pupils = lessons(model, inputs.space as JsonObject, params as unknown as DistillParams, runs)
    const weights = pupils.flatMap(({ layer, train }) =>
      train.map(({ slot, block, params }) => {
        const shapes = model.blocks.get(slot, block).shapes(layerFacts(model.config, layer), params)
        return total(shapes) + model.config.hidden
      }),
    )
    return { disk: weights.reduce((a, b) => a + b, 0) * float32 }
  },
  uptrain(_, model) {
    const [parent, child] = [parameters(model), parameters(model) / 2]
    // The child's weights and, while it trains, a checkpoint with two moments of each; in memory the gradients too.
    return { disk: 4 * child * float32, memory: (parent + 4 * child) * float32 }
  },
  export({ params: { dtype, ggufDtype = dtype } }, model, { target }) {
    const child = parameters(model) / 2
    const inGguf = (target as { format?: string } | undefined)?.format === 'gguf'
    return { disk: child * (bytesOf(dtype) + (inGguf ? bytesOf(ggufDtype) : 0)) }
  },
}

/** A document is a record of JSON of about 16 bytes or more, a row of a table of one or more, or `length` tokens of text of a byte or more each. What
 *  a packed file holds its size does not tell. */
function sequencesAtMost(path: string | undefined, length: number): number {
  if (path === undefined || !existsSync(path)) return 0
  const { kind, packed } = lookAt(path)
  if (kind === 'parquet' || packed) return Infinity
  const { size } = statSync(path)
  return Math.ceil(size / (kind === 'text' ? length : kind === 'json' ? 16 : 1))
}

/**
 * Refuses a machine on which the stages cannot end.
 * @param folder  where they store; it need not exist yet
 * @throws Failure OutOfDisk or OutOfMemory
 */
export function checkResources(folder: string, needs: readonly StageNeeds[], has = resourcesOf(folder)): void {
  const stored = needs.filter(({ disk }) => disk > 0)
  const disk = stored.reduce((n, stage) => n + stage.disk, 0)
  if (disk > has.disk) {
    const parts = stored.map((own) => `${own.stage} ${sized(own.disk)}`).join(', ')
    throw new Failure(
      'OutOfDisk',
      `${folder} has ${sized(has.disk)} free, and this needs about ${sized(disk)} (${parts})`,
      {
        remedy: 'Free some space, choose another store with --store, or lower capture.maxBytes and capture.sequences.',
      },
    )
  }
  for (const { stage, memory } of needs)
    if (memory > has.memory)
      throw new Failure(
        'OutOfMemory',
        `This machine has ${sized(has.memory)} of memory, and ${stage} needs about ${sized(memory)}`,
        { remedy: `Run it on a larger machine, or leave the stage out: \`stages: { ${stage}: false }\`.` },
      )
}

/** Free bytes of the disk of a folder, and all memory that this process may use. */
function resourcesOf(folder: string): { readonly disk: number; readonly memory: number } {
  let existing = folder
  while (!existsSync(existing)) existing = dirname(existing)
  const { bavail, bsize } = statfsSync(existing)
  // A container's limit, where there is one.
  const limit = process.constrainedMemory() || Infinity
  return { disk: bavail * bsize, memory: Math.min(totalmem(), limit) }
}

/** 1.5 GiB */
function sized(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`
}
