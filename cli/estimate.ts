import { Failure, type JsonObject } from '../api/index.js'
import type { StageForecast } from '../lineage/forecast.js'
import type { StageNeeds } from '../plugins/inspect/resources.js'
import type { Loaded } from '../plugins/registry.js'
import { keptPace, paceOf, type Pace } from '../puzzle/estimates/pace.js'
import { lanesOf, secondsOf, together } from '../puzzle/estimates/seconds.js'
import type { DataInput, ModelInput, TargetInput } from '../puzzle/inputs.js'
import { openParent } from '../puzzle/parent.js'
import { profiledScenarios } from '../puzzle/scenarios.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import { machineStateDirectory } from '../store/paths.js'
import { needsOfPlan } from './readiness.js'

/** What a stage will take, before anything ran. */
export interface StageEstimate extends StageForecast {
  /** Its tasks, also where the stages that it needs have not run; null: unknown. */
  readonly expected: number | null
  /** Seconds until its tasks are done that are not in the store; null: unknown. */
  readonly seconds: number | null
  /** Bytes that it stores. */
  readonly disk: number
  /** Bytes of memory that it holds at once, as far as the stage says. */
  readonly memory: number
}

/** What a run will take. */
export interface RunEstimate {
  readonly stages: readonly StageEstimate[]
  /** Seconds of all stages, one after the other. */
  readonly seconds: number
  /** Bytes that it stores. */
  readonly disk: number
  /** Bytes of memory of the stage that holds most. */
  readonly memory: number
  /** What was measured of this machine; undefined where nothing was to measure. */
  readonly pace?: Pace
}

/** Estimates how long the stages of a plan take on this machine, and what they store and hold. */
export async function estimateRun(
  plan: FrozenPlan,
  loaded: Loaded,
  forecast: readonly StageForecast[],
): Promise<RunEstimate> {
  const needs = new Map((await needsOfPlan(plan, loaded)).map((own) => [own.stage, own]))
  const pace = await paceOfPlan(plan, loaded)
  const stages = plan.stages.map((stage): StageEstimate => {
    const known = forecast.find((own) => own.stage === stage.name)!
    const need = needs.get(stage.name)
    const expected = known.tasks === 'unknown' ? (need?.tasks ?? tasksOfSingle(stage, loaded)) : known.tasks
    const left = expected === null ? null : expected - known.reused
    return {
      ...known,
      expected,
      seconds: left === 0 ? 0 : secondsLeft(known, { stage, loaded, need, expected, left, pace }),
      disk: need?.disk ?? 0,
      memory: need?.memory ?? 0,
    }
  })
  const sum = (each: (own: StageEstimate) => number) => stages.reduce((n, own) => n + each(own), 0)
  return {
    stages,
    seconds: sum(({ seconds }) => seconds ?? 0),
    disk: sum(({ disk }) => disk),
    memory: Math.max(0, ...stages.map(({ memory }) => memory)),
    ...(pace && { pace }),
  }
}

/** Seconds of a whole run of a plan of which nothing is done. @param pace  of its model on this machine; without, nothing is known */
export async function estimateSeconds(plan: FrozenPlan, loaded: Loaded, pace: Pace | undefined): Promise<number> {
  if (!pace) return 0
  const seconds = Object.values(secondsByStage(plan, loaded, await needsOfPlan(plan, loaded), pace))
  return seconds.reduce((sum, own) => sum + own, 0)
}

/** Seconds of each stage of a plan of which nothing is done, as far as the stages say what they do. */
function secondsByStage(
  plan: FrozenPlan,
  loaded: Loaded,
  needs: readonly StageNeeds[],
  pace: Pace,
): Record<string, number> {
  const known = needs.flatMap(({ stage: name, work, tasks = 1 }) => {
    const stage = plan.stages.find((own) => own.name === name)!
    const seconds = work && secondsOf(work, tasks, isExclusive(stage, loaded), pace)
    return seconds === undefined ? [] : [[name, seconds] as const]
  })
  return Object.fromEntries(known)
}

/** The same by what was measured of this machine before, for runs that begin: they need the machine for themselves.
 *  @returns undefined where nothing was measured */
export async function expectedSeconds(
  plan: FrozenPlan,
  loaded: Loaded,
  needs: readonly StageNeeds[],
): Promise<Readonly<Record<string, number>> | undefined> {
  const pace = await paceOfPlan(plan, loaded, keptPace)
  return pace && secondsByStage(plan, loaded, needs, pace)
}

const isExclusive = ({ exclusive, uses }: PlannedStage, loaded: Loaded): boolean =>
  exclusive === true || loaded.stage(uses).exclusive === true

/** A stage without a plan of its own is one task; a gate waits for a person. */
function tasksOfSingle({ uses, gate }: PlannedStage, loaded: Loaded): number | null {
  if (gate) return 0
  return 'plan' in loaded.stage(uses) ? null : 1
}

/** Seconds for the tasks that are left: as its other tasks took, or as its work says, or as tasks of its kind took. */
function secondsLeft(
  { reused, secondsEach }: StageForecast,
  of: {
    readonly stage: PlannedStage
    readonly loaded: Loaded
    readonly need: StageNeeds | undefined
    readonly expected: number | null
    readonly left: number | null
    readonly pace: Pace | undefined
  },
): number | null {
  const { stage, loaded, need, expected, left, pace } = of
  const exclusive = isExclusive(stage, loaded)
  const asBefore = () => {
    if (secondsEach === null || left === null || !pace) return null
    const lanes = lanesOf(left, exclusive, pace)
    return (secondsEach * left) / together(lanes)
  }
  if (reused > 0) return asBefore()
  if (need?.work && pace && expected !== null) return secondsOf(need.work, expected, exclusive, pace) ?? null
  return asBefore()
}

/** What this machine does with the plan's model; undefined for pipelines without one, and models that only plugins can read.
 *  @param look  measures it unless it has been measured, or only looks. @default paceOf */
export async function paceOfPlan(
  { inputs, inputDigests, family }: FrozenPlan,
  { blocks }: Loaded,
  look: typeof paceOf | typeof keptPace = paceOf,
): Promise<Pace | undefined> {
  const { model, data, target } = inputs as JsonObject & Partial<ModelInput & DataInput & TargetInput>
  if (model === undefined || family !== undefined) return undefined
  const scenarios = target ? profiledScenarios(target).map(({ scenario }) => scenario) : []
  try {
    const parent = await openParent({ spec: { model }, inputDigests, blocks })
    return await look(parent, { length: data?.sequenceLength ?? 128, scenarios }, machineStateDirectory())
  } catch (error) {
    // Why it cannot be read is told where it is read.
    if (error instanceof Failure) return undefined
    throw error
  }
}
