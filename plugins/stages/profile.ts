import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withHead, type HeadWeights, type Model, type Scenario } from '../../model/index.js'
import { numericsVersion } from '../../tensor/index.js'
import {
  digestJson,
  slots,
  type FanOutStage,
  type JsonObject,
  type Outputs,
  type RunningTask,
  type Slot,
  type TaskPlan,
} from '../../api/index.js'
import { writeWhole } from '../../store/files.js'
import type { ProfileOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput, SpaceInput, TargetInput } from '../../puzzle/inputs.js'
import { costTableOf, headTask, toTime, type TimedTask } from '../../puzzle/cost-table.js'
import { fingerprint, type CostTable } from '../../puzzle/costs.js'
import { readCostTable } from '../../puzzle/imported-costs.js'
import {
  compare,
  distinctVariants,
  isUsual,
  timeBlock,
  type Compared,
  type Repetition,
} from '../../puzzle/block-timing.js'
import { randomChildren, type Variants } from '../../puzzle/calibration.js'
import { madeUp, withoutBlocks, type LayerBlocks } from '../../puzzle/made-up.js'
import { becomesQuiet, measuredAgain } from '../../puzzle/measured-again.js'
import { headKinds, quantisedHeads } from '../../puzzle/heads.js'
import { openParent } from '../../puzzle/parent.js'
import { ofPasses, threads } from '../../puzzle/parameters.js'
import { profiledScenarios, withThreads } from '../../puzzle/scenarios.js'

/** How blocks and whole models are timed. */
interface ProfileParams extends Omit<Repetition, 'threads'> {
  readonly threads?: number
  /** N: models of N layers are timed, and the difference divided by N. */
  readonly copies: number
  /** Children that are timed as wholes. */
  readonly children: number
}

/** What is timed: a block, what no block does, or a child as a whole. */
interface ProfileTaskParams extends Repetition {
  readonly kind: 'block' | 'floor' | 'child'
  readonly copies: number
  readonly slot?: Slot
  readonly block?: string
  readonly params?: JsonObject
  /** Of a floor: beside the parent's. */
  readonly head?: HeadWeights
  /** Of a child. */
  readonly layers?: readonly LayerBlocks[]
  /** One of `target.scenarios`, or `target.scenario` at one of its batches; absent if there is only the one. */
  readonly scenario?: Scenario
}

interface ProfileTask {
  readonly params: ProfileTaskParams
  readonly inputs: object
  readonly outputs: Outputs<TimedTask, object>
}

/** The version of how a task is timed: what was kept of another one does not count. */
const howTimed = 5

/** How often passes are repeated for the precision that is asked for, about: of once to four times. */
const usualDoubling = 1.5

/** A plan of what to time. */
type Plan = TaskPlan<ProfileTaskParams, object>

/**
 * Prefill and decoding time of every distinct block on this machine: N of the parent's layers run the scenario in turn with
 * the same layers with another block. The parent and some children of random choice are timed as wholes, and correct the
 * table. A model without blocks is the floor. Times do not depend on the weights' values. What was measured is kept in the
 * user's state directory by hardware fingerprint, so that a rerun takes the same costs.
 */
export const profile: FanOutStage<
  ProfileParams,
  object,
  ProfileOutputs,
  ProfileTask,
  ModelInput & SpaceInput & TargetInput
> = {
  name: 'profile',
  // 3: the table is calibrated on whole models. 4: by a factor for the parent's blocks and one for the others. 5: blocks are timed
  // in layers that have nothing else. 6: the noise of the parent's block counts as well.
  version: 6,
  reads: ['model', 'space', 'target.scenario', 'target.scenarios', 'target.threads', 'target.profile'],
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
        maximum: 1024,
        reason: 'all of them are in memory at once',
        default: 8,
        description:
          'N: a block is timed in models of N layers that have nothing else. As many as the parent has are best: fewer may fit into a cache that the whole model does not fit into.',
      },
      repetitions: {
        type: 'integer',
        minimum: 1,
        ...ofPasses,
        default: 8,
        description:
          'Initial number of timed passes of each model; the lower quartile counts, since noise only adds time.',
      },
      precision: {
        quantity: 'fraction',
        exclusiveMinimum: 0,
        default: 0.01,
        description:
          "The number of passes is doubled, up to four times as many, until the interval of the measured time is this narrow, as a share of the slowest model's time.",
      },
      children: {
        type: 'integer',
        minimum: 0,
        maximum: 1000,
        reason: 'each one is timed',
        default: 4,
        description: 'Random children to time as whole models, to calibrate the table; 0: none.',
      },
      threads,
    },
  },

  async resources({ params, ...context }) {
    const { spec, runs } = context
    if (spec.target.profile !== undefined) return { tasks: 0, work: {} }
    const model = await openParent(context)
    const parts = distinctVariants(model, spec.space, runs)
    const timed = parts.filter((part) => toTime(model, part))
    const { copies, repetitions, children, threads } = withThreads(params, spec.target)
    const passes = repetitions * usualDoubling + 1
    const layers = copies / model.config.layers
    return {
      tasks: (1 + quantisedHeads(spec.space).length + timed.length + children) * profiledScenarios(spec.target).length,
      // Layers of a block alone, about half of the parent's, beside the parent's own, and the parent beside children.
      work: { passes: passes * (timed.length * layers + children * 1.5), passThreads: threads },
    }
  },

  async plan(context) {
    const { params, spec, seed } = context
    const { profile: elsewhere } = spec.target
    const model = await openParent(context)
    const parts = distinctVariants(model, spec.space, context.runs)
    const all = profiledScenarios(spec.target)
    if (elsewhere !== undefined) {
      await readCostTable(elsewhere, model, all[0]!.scenario, parts, quantisedHeads(spec.space))
      return []
    }
    const { children, ...how } = withThreads(params, spec.target)
    // One after the other: each runs alone.
    const group = 'blocks'
    const floor: Plan = {
      ...{ id: 'floor', label: 'embedding, last norm and head', group, inputs: {} },
      params: { ...how, kind: 'floor' },
    }
    const heads = quantisedHeads(spec.space).map((head): Plan => ({
      ...{ id: headTask(head), label: `head in ${head}`, group, inputs: {} },
      params: { ...how, kind: 'floor', head },
    }))
    const blocks = parts
      .filter((part) => toTime(model, part))
      .map(({ slot, variant }): Plan => ({
        ...{ id: `${slot}/${variant.id}`, label: `${slot}: ${variant.id}`, group, inputs: {} },
        params: { ...how, kind: 'block', slot, block: variant.block, params: variant.params },
        blocks: [{ slot, name: variant.block }],
      }))
    const wholes = randomChildren(model, spec.space, children, seed).map((layers, i): Plan => ({
      ...{ id: `child/${i + 1}`, label: `random child ${i + 1} of ${children}`, group, inputs: {} },
      params: { ...how, kind: 'child', layers: layers.map(blocksOf) },
      blocks: uses(layers),
    }))
    const plans = [floor, ...heads, ...blocks, ...wholes]
    if (all[0]!.name === undefined) return plans
    return all.flatMap(({ name, scenario }, index) =>
      plans.map(({ id, label, params, ...plan }) => ({
        ...{ id: inScenario(index, name, id), label: `${name}: ${label}`, ...plan },
        params: { ...params, scenario },
      })),
    )
  },

  async run(context) {
    const { scenario: own, ...params } = context.task.params
    const scenario = own ?? profiledScenarios(context.spec.target)[0]!.scenario
    const model = await openParent(context)
    const versions = (context.task.blocks ?? []).map(({ slot, name }) => model.blocks.get(slot, name).version)
    const print = fingerprint(params.threads, scenario)
    const shape = { ...model.config, blocks: params.kind === 'child' ? model.config.blocks : 0 }
    const key = digestJson({
      print,
      scenario: timedScenario(scenario),
      params,
      versions,
      numericsVersion,
      shape,
      method: howTimed,
    })
    const kept = join(context.machineState, 'profiles', `${key}.json`)
    const known = await readKept(kept)
    if (known) {
      context.log(`${context.task.id} has been timed on this machine before`)
      return { values: known, files: {} }
    }
    const { precise, ...timed } = await measuredAgain(
      () => time(model, params, scenario, context),
      (load) => becomesQuiet(load, context),
    )
    const values = { fingerprint: print, ...timed, ...(!precise && { imprecise: true as const }) }
    if (timed.again) context.log(`${context.task.id}: measured again when other programs used less of the processors`)
    if (!precise) {
      // A busy machine must not decide for all the searches to come.
      const load =
        timed.load === undefined
          ? ''
          : ` while other programs used ${(100 * timed.load).toFixed(0)} % of the processors`
      context.log(
        `${context.task.id}: measured to within ${milliseconds(Math.max(timed.error, timed.firstError ?? 0))} in ${timed.passes} passes${load}, too imprecise to be kept beyond this store: searches in other stores will time it again`,
      )
      return { values, files: {} }
    }
    await writeWhole(`${kept}.${process.pid}.tmp`, kept, JSON.stringify(values))
    return { values, files: {} }
  },

  /** The cost table: measured here, or elsewhere. */
  async gather(context) {
    const { spec, tasks, seed, params } = context
    const { profile: elsewhere } = spec.target
    const model = await openParent(context)
    const parts = distinctVariants(model, spec.space, context.runs)
    const kinds = headKinds(spec.space)
    const asked = kinds && { heads: kinds }
    const all = profiledScenarios(spec.target)
    if (elsewhere !== undefined) {
      const table = await readCostTable(elsewhere, model, all[0]!.scenario, parts, quantisedHeads(spec.space))
      return { values: { measured: 'elsewhere', ...asked }, files: { costs: await context.put('costs', table) } }
    }
    const timed = new Map(tasks.map(({ plan, outputs }) => [plan.id, outputs.values]))
    const children = randomChildren(model, spec.space, params.children, seed)
    const measured = all.map(({ name, scenario }, index) => {
      const of = (id: string) => timed.get(inScenario(index, name, id))!
      return costTableOf(model, scenario, { parts, heads: quantisedHeads(spec.space), children, of })
    })
    const [first, ...others] = measured
    const calibrations = others.flatMap(({ calibration }) => calibration ?? [])
    return {
      values: {
        ...{ measured: 'here', fingerprint: timed.get('floor')!.fingerprint, ...asked },
        ...disturbance([...timed.values()], measured),
        ...(first!.calibration && { calibration: first!.calibration }),
        ...(calibrations.length > 0 && { otherCalibrations: calibrations }),
      },
      files: {
        costs: await context.put('costs', first!.table),
        ...(others.length > 0 && {
          otherCosts: await context.put(
            'costs',
            others.map(({ table }) => table),
          ),
        }),
      },
    }
  },
}

/** How busy the machine was, the mean over the tasks; how many were measured again for it; how many are imprecise all the same; and the
 *  blocks whose times were lost in noise. */
function disturbance(
  timed: readonly TimedTask[],
  measured: readonly { readonly table: CostTable }[],
): Pick<ProfileOutputs['values'], 'load' | 'again' | 'imprecise' | 'lost'> {
  const again = timed.filter((own) => own.again).length
  const imprecise = timed.filter((own) => own.imprecise).length
  const loads = timed.flatMap(({ load }) => load ?? [])
  const lost = measured.flatMap(({ table }) =>
    slots.flatMap((slot) => Object.keys(table[slot]).flatMap((id) => (table[slot][id]!.lost ? [`${slot}/${id}`] : []))),
  )
  return {
    ...(loads.length > 0 && { load: Number((loads.reduce((a, b) => a + b, 0) / loads.length).toFixed(2)) }),
    ...(again > 0 && { again }),
    ...(imprecise > 0 && { imprecise: { of: timed.length, count: imprecise } }),
    ...(lost.length > 0 && { lost: [...new Set(lost)] }),
  }
}

/** The id of a task in one of several scenarios or batches; as ever in the first one. */
const inScenario = (index: number, name: string | undefined, id: string): string => (index === 0 ? id : `${name}:${id}`)

/** What times depend on: puzzleflow's decoder runs in float32 whatever the precision that memory is counted in. */
const timedScenario = (scenario: Scenario): Scenario =>
  scenario.engine === 'llama.cpp' ? scenario : withoutPrecision(scenario)

const withoutPrecision = ({ weights: _, cache: __, ...load }: Scenario): Scenario => load

const blocksOf = (own: Variants[number]): LayerBlocks => ({
  attention: { block: own.attention.block, params: own.attention.params },
  ffn: { block: own.ffn.block, params: own.ffn.params },
})

/** Block types of a child, each once. */
const uses = (layers: Variants): { slot: Slot; name: string }[] =>
  slots.flatMap((slot) => [...new Set(layers.map((own) => own[slot].block))].map((name) => ({ slot, name })))

/** Times what a task is about. */
async function time(
  model: Model,
  own: ProfileTaskParams,
  scenario: Scenario,
  context: Pick<RunningTask, 'progress'>,
): Promise<Omit<TimedTask, 'fingerprint'> & Pick<Compared, 'precise' | 'load'>> {
  if (own.kind === 'block') {
    const part = { slot: own.slot!, choice: { block: own.block!, params: own.params! } }
    const timed = await timeBlock(model, part, scenario, own, context)
    const { usual: first, usualError: firstError, own: second, error, passes, precise, load } = timed
    return {
      ...(isUsual(model, part) ? { first } : { first, firstError, second }),
      ...{ error, passes, precise },
      ...(load !== undefined && { load }),
    }
  }
  const models =
    own.kind === 'floor'
      ? [withoutBlocks(model), ...(own.head ? [withoutBlocks(withHead(model, own.head))] : [])]
      : [model.config.blocks, own.layers!].map((all) => madeUp(model, all))
  const { seconds, errors, passes, precise, load } = await compare(models, scenario, own, context)
  return {
    ...{ first: seconds[0]!, ...(seconds[1] && { second: seconds[1] }) },
    ...{ error: errors[0]!, passes, precise },
    ...(load !== undefined && { load }),
  }
}

const milliseconds = (seconds: number): string => `${Number((1000 * seconds).toPrecision(2))} ms`

/** An earlier measurement; one that cannot be read is made again. */
async function readKept(path: string): Promise<ProfileTask['outputs']['values'] | undefined> {
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProfileTask['outputs']['values']
  } catch {
    return undefined
  }
}
