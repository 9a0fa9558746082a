import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  alternate,
  layerFacts,
  slotShapes,
  Timed,
  typical,
  type Model,
  type ModelConfig,
  type Scenario,
  type Timing,
} from '../../model/index.js'
import { elements, numericsVersion } from '../../tensor/index.js'
import {
  digestJson,
  Failure,
  type BlockChoice,
  type FanOutStage,
  type JsonObject,
  type RunningTask,
  type Slot,
  type TaskPlan,
  type Weights,
} from '../api/index.js'
import { fingerprint, sizes, type Cost, type CostTable } from './costs.js'
import { variants, type Variant } from './library.js'
import { normal } from './random.js'
import { openParent } from './sequences.js'

interface ProfileParams {
  readonly copies: number
  readonly repetitions: number
  readonly threads: number
}

/** What is measured: a block, or what no block does. */
interface ProfileTask extends ProfileParams {
  readonly slot: Slot | 'floor'
  readonly block?: string
  readonly params?: JsonObject
}

/**
 * Prefill and decoding time of every distinct block on this machine: models of N and of 2N copies run the scenario in
 * turn, and the difference is N blocks. A model without blocks is the floor. Times do not depend on the weights' values.
 * What was measured is kept in the user's state directory by hardware fingerprint, so that a rerun takes the same costs.
 */
export const profile: FanOutStage<ProfileParams> = {
  name: 'profile',
  version: 2,
  reads: ['model', 'space', 'target.scenario', 'target.profile'],
  taskReads: ['model', 'target.scenario'],
  exclusive: true,
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      copies: { type: 'integer', minimum: 1, default: 4, description: 'N: a model of N copies against one of 2N.' },
      repetitions: { type: 'integer', minimum: 1, default: 5, description: 'Passes of each model; the median counts.' },
      threads: { type: 'integer', minimum: 1, default: 1 },
    },
  },

  async plan(context) {
    const { params, spec } = context
    const { profile: elsewhere, scenario } = spec.target as unknown as Target
    const model = await openParent(context)
    const parts = distinctVariants(model, spec.space as JsonObject)
    if (elsewhere !== undefined) {
      await readProfile(elsewhere, scenario, parts)
      return []
    }
    const task = (slot: ProfileTask['slot'], variant?: Variant): TaskPlan => ({
      id: variant ? `${slot}/${variant.id}` : slot,
      label: variant ? `${slot}: ${variant.id}` : 'embedding, last norm and head',
      // One after the other: each runs alone.
      group: 'blocks',
      params: { ...params, slot, ...(variant && { block: variant.block, params: variant.params }) },
      inputs: {},
      blocks: variant && slot !== 'floor' ? [{ slot, name: variant.block }] : [],
    })
    return [task('floor'), ...parts.map(({ slot, variant }) => task(slot, variant))]
  },

  async run(context) {
    const own = context.task.params as unknown as ProfileTask
    const { scenario } = context.spec.target as unknown as Target
    const model = await openParent(context)
    const { slot, block, params = {} } = own
    const part = slot === 'floor' || block === undefined ? undefined : { slot, choice: { block, params } }
    const version = part ? model.blocks.get(part.slot, part.choice.block).version : 0
    const print = fingerprint(own.threads)
    const key = digestJson({ print, scenario, own, version, numericsVersion, shape: { ...model.config, blocks: 0 } })
    const kept = join(context.machineState, 'profiles', `${key}.json`)
    if (!existsSync(kept)) {
      const cost = await measure(model, part, scenario, own, context)
      await mkdir(join(context.machineState, 'profiles'), { recursive: true })
      await writeFile(`${kept}.${process.pid}.tmp`, JSON.stringify({ fingerprint: print, cost }))
      await rename(`${kept}.${process.pid}.tmp`, kept)
    } else context.log('times of this block on this machine are known')
    return { values: JSON.parse(await readFile(kept, 'utf8')) as JsonObject, files: {} }
  },

  /** The cost table: measured here, or elsewhere. */
  async gather(context) {
    const { spec, tasks } = context
    const { profile: elsewhere, scenario } = spec.target as unknown as Target
    const put = async (table: CostTable) => ({ costs: await context.put('costs', table as unknown as JsonObject) })
    if (elsewhere !== undefined) {
      const parts = distinctVariants(await openParent(context), spec.space as JsonObject)
      return { values: { measured: 'elsewhere' }, files: await put(await readProfile(elsewhere, scenario, parts)) }
    }
    const table = { attention: {} as Record<string, Cost>, ffn: {} as Record<string, Cost> }
    const cost = (at: number) => tasks[at]!.outputs.values.cost as unknown as Cost
    for (const [i, { plan }] of tasks.entries()) {
      const [slot, variant] = plan.id.split('/') as [Slot, string]
      if (i > 0) table[slot][variant] = cost(i)
    }
    const print = tasks[0]!.outputs.values.fingerprint as JsonObject
    return {
      values: { measured: 'here', fingerprint: print },
      files: await put({ version: 1, fingerprint: print, scenario, floor: cost(0), ...table }),
    }
  },
}

interface Target {
  readonly scenario: Scenario
  readonly profile?: string
}

type Part = { readonly slot: Slot; readonly variant: Variant }

function distinctVariants(model: Model, space: JsonObject): Part[] {
  const found = new Map<string, Part>()
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const variant of variants(space, slot, layerFacts(model.config, layer), model.blocks))
        found.set(`${slot}/${variant.id}`, { slot, variant })
  return [...found.values()]
}

/** A block, and whose place it takes. */
interface Placed {
  readonly slot: Slot
  readonly choice: BlockChoice
}

/** Costs of a block, or of a model without any. */
async function measure(
  model: Model,
  part: Placed | undefined,
  scenario: Scenario,
  { copies, repetitions, threads }: ProfileParams,
  context: Pick<RunningTask, 'progress'>,
): Promise<Cost> {
  const floor = stacked(model, undefined, 0)
  const models = part ? [stacked(model, part, copies), stacked(model, part, 2 * copies)] : [floor]
  if (part && model.blocks.get(part.slot, part.choice.block).empty) return noCost
  const timed = await Promise.all(models.map((m) => Timed.create(m, scenario, threads)))
  context.progress(0.2, `${repetitions} passes`)
  const [one, two] = (await alternate(timed, repetitions)).map(typical) as [Timing, Timing?]
  for (const t of timed) await t.release()
  if (!part || !two) return { ...one, ...sizes(floor, scenario) }
  // Noise can make a tiny difference negative: a block takes no negative time.
  const difference = (kind: keyof Timing) => Math.max(0, two[kind] - one[kind]) / copies
  const [single, none] = [sizes(stacked(model, part, 1), scenario), sizes(floor, scenario)]
  return {
    prefillSeconds: difference('prefillSeconds'),
    decodeSeconds: difference('decodeSeconds'),
    memoryBytes: single.memoryBytes - none.memoryBytes,
    parameters: single.parameters - none.parameters,
  }
}

const noCost: Cost = { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 }

/** A model of N copies of a block, with made-up weights. */
function stacked(model: Model, part: Placed | undefined, copies: number): Model {
  const empty = { block: 'no-op', params: {} }
  const of = (slot: Slot) => (part?.slot === slot ? part.choice : empty)
  const layer = { attention: of('attention'), ffn: of('ffn') }
  const config: ModelConfig = {
    ...model.config,
    layers: copies,
    blocks: Array(copies).fill(layer) as ModelConfig['blocks'],
  }
  return {
    ...model,
    config,
    async weights(at, slot): Promise<Weights> {
      const random = normal(at + 1)
      return Object.fromEntries(
        Object.entries(slotShapes(config, at, slot, model.blocks)).map(([name, shape]) => [
          name,
          { shape, data: Float32Array.from({ length: elements(shape) }, () => random() * 0.02) },
        ]),
      )
    },
  }
}

/** A cost table measured elsewhere. */
async function readProfile(path: string, scenario: Scenario, parts: readonly Part[]): Promise<CostTable> {
  const bad = (message: string) =>
    new Failure('InvalidInput', `${path}: ${message}`, {
      file: path,
      remedy: 'Export it with `puzzleflow profile RUN -o FILE` from a run with the same space and scenario.',
    })
  let table: CostTable
  try {
    table = JSON.parse(await readFile(path, 'utf8')) as CostTable
  } catch (error) {
    throw bad((error as Error).message)
  }
  if (table?.version !== 1 || !table.floor || !table.attention || !table.ffn) throw bad('is no cost table')
  for (const key of ['batch', 'prefill', 'generate'] as const)
    if (table.scenario?.[key] !== scenario[key])
      throw bad(`was measured with ${key} ${table.scenario?.[key]}, not ${scenario[key]}`)
  for (const { slot, variant } of parts)
    if (!table[slot][variant.id]) throw bad(`has no costs of ${slot} ${variant.id}`)
  return table
}
