import { Failure, type JsonObject, type Stage } from '../api/index.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import type { LimitRange } from '../spec/limit-range.js'
import { checkValue } from '../spec/validate.js'
import type { Limit } from '../spec/units.js'
import { digestJson } from '../store/digest.js'

/** What to sweep. */
export interface SweepRequest {
  readonly range: LimitRange
  /** Values of the swept limit, one for each point. */
  readonly values: readonly number[]
  /** Limits with other values than in the spec. */
  readonly fixed: Readonly<Record<string, Limit>>
  /** Whether to measure the children. */
  readonly measure: boolean
}

/** Stages whose outputs the points are made from. */
const needed = ['score', 'profile', 'distill'] as const

/**
 * The plan of a sweep: that of a search up to `score`, with the same keys, then `sweep` in the place of `solve`, `measure` in the
 * place of `evaluate`, and `curve`. Parameters of `solve` and `evaluate` hold for the stages in their places. The limits are the
 * loosest ones of the sweep, so that `check-limits` ends one without any point before training.
 * @throws Failure InvalidInput where the pipeline is another one
 */
export function sweepPlan(plan: FrozenPlan, request: SweepRequest, loaded: Loaded): FrozenPlan {
  const { range, values, fixed, measure } = request
  const planned = new Map(plan.stages.map((stage) => [stage.name, stage]))
  const solve = planned.get('solve')
  const missing = needed.find((name) => !solve?.needs.includes(name))
  const target = plan.inputs.target as (JsonObject & { readonly limits?: JsonObject }) | undefined
  if (!solve || missing !== undefined || !target)
    throw new Failure(
      'InvalidInput',
      `The pipeline "${plan.pipeline}" has no stage "solve" with scores and costs for a sweep to replace`,
      { remedy: 'Sweep a spec of the pipeline puzzle, or of one with its stages.' },
    )
  const { name, from, to } = range
  const { bound, unit } = from
  const points: JsonObject = { limit: { name, bound, unit }, values }
  const sweep = inPlaceOf(solve, 'sweep', loaded.stage('sweep'), {
    ...of(solve, 'solve', ['composition', 'gap', 'timeLimit']),
    ...points,
  })
  const upTo = (names: readonly string[]): ReadonlySet<string> =>
    new Set(names.flatMap((need) => [...upTo(planned.get(need)!.needs), need]))
  const evaluate = planned.get('evaluate') ?? {
    ...{ name: 'evaluate', uses: 'evaluate', version: 0, exclusive: true, params: {} },
    needs: ['distill', 'profile', 'prepare'].filter((need) => planned.has(need)),
  }
  const forMeasure = evaluate.needs.filter((need) => !upTo([need]).has('solve'))
  const last = [
    sweep,
    ...(measure
      ? [
          {
            ...inPlaceOf(evaluate, 'measure', loaded.stage('evaluate'), {
              ...of(evaluate, 'evaluate'),
              of: 'points',
            }),
            needs: ['sweep', ...forMeasure],
          },
        ]
      : []),
    {
      ...{ name: 'curve', uses: 'curve', version: loaded.stage('curve').version },
      needs: ['sweep', ...(measure ? ['measure'] : [])],
      params: points,
    },
  ]
  const shared = upTo([...solve.needs, ...(measure ? forMeasure : [])])
  const limits: JsonObject = { ...target.limits, ...fixed, [name]: bound === 'min' ? from : to }
  return {
    ...plan,
    inputs: { ...plan.inputs, target: { ...target, limits } },
    stages: [...plan.stages.filter((stage) => shared.has(stage.name)), ...last],
    digest: digestJson({ plan: plan.digest, limits, stages: last }),
  }
}

/** A built-in stage type that is run as a stage of the plan is. */
function inPlaceOf(
  { plugin: _, gate: __, partial: ___, ...stage }: PlannedStage,
  name: string,
  type: Stage,
  params: JsonObject,
): PlannedStage {
  const { data, findings } = checkValue(type.parameters, params, `stages.${name}`)
  if (findings.length > 0) throw new Error(`Internal error: ${findings[0]!.message}`)
  const partial = 'partial' in type ? type.partial : undefined
  return { ...stage, name, uses: type.name, version: type.version, params: data, ...(partial && { partial }) }
}

/** Parameters of a stage, if it is of the type that has them. */
const of = ({ uses, params }: PlannedStage, type: string, names = Object.keys(params)): JsonObject =>
  uses === type ? Object.fromEntries(names.filter((name) => name in params).map((name) => [name, params[name]!])) : {}
