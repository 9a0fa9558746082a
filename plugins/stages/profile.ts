import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { numericsVersion } from '../../tensor/index.js'
import {
  digestJson,
  type FanOutStage,
  type JsonObject,
  type Outputs,
  type Slot,
  type TaskPlan,
} from '../../api/index.js'
import type { ProfileOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput, SpaceInput, TargetInput } from '../../puzzle/inputs.js'
import { fingerprint, type Cost, type CostTable } from '../../puzzle/costs.js'
import { readCostTable } from '../../puzzle/imported-costs.js'
import { distinctVariants, measure, type Part, type Repetition } from '../../puzzle/block-timing.js'
import { openParent } from '../../puzzle/parent.js'
import { threads } from '../../puzzle/parameters.js'

/** Parameters of a measurement: a block, or the model without blocks. */
interface ProfileTaskParams extends Repetition {
  readonly slot: Slot | 'floor'
  readonly block?: string
  readonly params?: JsonObject
}

interface ProfileTask {
  readonly params: ProfileTaskParams
  readonly inputs: object
  readonly outputs: Outputs<{ readonly fingerprint: JsonObject; readonly cost: Cost }, object>
}

/**
 * Measures prefill and decoding time of every distinct block on this machine: models with N and with 2N copies run the scenario
 * in turn, and the difference is the time of N blocks. A model without blocks is the floor. Times do not depend on the values of
 * the weights. Measurements are kept in the user's state directory by hardware fingerprint, so that a rerun uses the same costs.
 */
export const profile: FanOutStage<
  Repetition,
  object,
  ProfileOutputs,
  ProfileTask,
  ModelInput & SpaceInput & TargetInput
> = {
  name: 'profile',
  version: 2,
  reads: ['model', 'space', 'target.scenario', 'target.profile'],
  taskReads: ['model', 'target.scenario'],
  exclusive: true,
  about: { summary: 'Measures the cost of every block on this machine in the scenario: time, memory, parameters.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      copies: {
        type: 'integer',
        minimum: 1,
        default: 4,
        description: 'N: a model with N copies of the block is timed against one with 2N.',
      },
      repetitions: {
        type: 'integer',
        minimum: 1,
        default: 5,
        description: 'Timed passes of each model; the median counts.',
      },
      threads: threads('Threads that run the measurements: as many as will serve the child.'),
    },
  },

  async plan(context) {
    const { params, spec } = context
    const { profile: elsewhere, scenario } = spec.target
    const model = await openParent(context)
    const parts = distinctVariants(model, spec.space, context.runs)
    if (elsewhere !== undefined) {
      await readCostTable(elsewhere, model, scenario, parts)
      return []
    }
    const task = (slot: Slot | 'floor', variant?: Part['variant']): TaskPlan<ProfileTaskParams, object> => ({
      id: variant ? `${slot}/${variant.id}` : slot,
      label: variant ? `${slot}: ${variant.id}` : 'embedding, last norm and head',
      // Measurements run one at a time.
      group: 'blocks',
      params: { ...params, slot, ...(variant && { block: variant.block, params: variant.params }) },
      inputs: {},
      // The empty block of a run's later layers is not part of the key: it costs nothing, whatever its version.
      blocks: variant && slot !== 'floor' && !variant.behind ? [{ slot, name: variant.block }] : [],
    })
    return [task('floor'), ...parts.map(({ slot, variant }) => task(slot, variant))]
  },

  async run(context) {
    const taskParams = context.task.params
    const { scenario } = context.spec.target
    const model = await openParent(context)
    const { slot, block, params = {} } = taskParams
    const part = slot === 'floor' || block === undefined ? undefined : { slot, choice: { block, params } }
    const version = part ? model.blocks.get(part.slot, part.choice.block).version : 0
    const print = fingerprint(taskParams.threads, scenario)
    const key = digestJson({
      print,
      scenario,
      own: taskParams,
      version,
      numericsVersion,
      shape: { ...model.config, blocks: 0 },
    })
    const kept = join(context.machineState, 'profiles', `${key}.json`)
    const known = await readKept(kept)
    if (known) {
      context.log('this block has been timed on this machine before')
      return { values: known, files: {} }
    }
    const values = { fingerprint: print, cost: { ...(await measure(model, part, scenario, taskParams, context)) } }
    await mkdir(join(context.machineState, 'profiles'), { recursive: true })
    await writeFile(`${kept}.${process.pid}.tmp`, JSON.stringify(values))
    await rename(`${kept}.${process.pid}.tmp`, kept)
    return { values, files: {} }
  },

  /** Returns the cost table, measured here or elsewhere. */
  async gather(context) {
    const { spec, tasks } = context
    const { profile: elsewhere, scenario } = spec.target
    const put = async (table: CostTable) => ({ costs: await context.put('costs', table) })
    if (elsewhere !== undefined) {
      const model = await openParent(context)
      const parts = distinctVariants(model, spec.space, context.runs)
      const table = await readCostTable(elsewhere, model, scenario, parts)
      return { values: { measured: 'elsewhere' }, files: await put(table) }
    }
    const table = { attention: {} as Record<string, Cost>, ffn: {} as Record<string, Cost> }
    const cost = (at: number) => tasks[at]!.outputs.values.cost
    for (const [i, { plan }] of tasks.entries()) {
      const [slot, variant] = plan.id.split('/') as [Slot, string]
      if (i > 0) table[slot][variant] = cost(i)
    }
    const print = tasks[0]!.outputs.values.fingerprint
    return {
      values: { measured: 'here', fingerprint: print },
      files: await put({ version: 1, fingerprint: print, scenario, floor: cost(0), ...table }),
    }
  },
}

/** Reads an earlier measurement. An unreadable one is repeated. */
async function readKept(path: string): Promise<ProfileTask['outputs']['values'] | undefined> {
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProfileTask['outputs']['values']
  } catch {
    return undefined
  }
}
