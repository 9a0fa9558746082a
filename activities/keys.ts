import type { JsonObject, Stage, TaskPlan } from '../plugins/api/index.js'
import { resolveExpressions } from '../spec/expressions.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import { digestJson } from '../store/digest.js'
import type { ArtifactRef, Digest } from '../store/index.js'
import { engineVersion, numericsVersion } from '../tensor/version.js'

/** All that can change the result of a task, by name. */
export type Components = Readonly<Record<string, unknown>>

export const plannedStage = (plan: FrozenPlan, name: string): PlannedStage => {
  const found = plan.stages.find((stage) => stage.name === name)
  if (!found) throw new Error(`Internal error: the plan has no stage ${name}`)
  return found
}

/** Parameters with expressions resolved by the outputs of earlier stages. */
export const stageParams = (
  planned: PlannedStage,
  outputs: Readonly<
    Record<string, { readonly values: JsonObject; readonly files: Readonly<Record<string, ArtifactRef>> }>
  >,
): JsonObject => resolveExpressions(planned.params, outputs)

/**
 * Components of a task's key: versions, parameters, the inputs that the stage reads (paths replaced by the digests of what
 * lies there), the outputs of the stages it needs, and the seed.
 */
export function components(
  plan: FrozenPlan,
  planned: PlannedStage,
  stage: Stage,
  params: JsonObject,
  outputs: Readonly<Record<string, ArtifactRef>>,
): Components {
  const inputs = Object.fromEntries(
    stage.reads.filter((name) => name in plan.inputs).map((name) => [name, withoutPaths(plan, name)]),
  )
  return {
    stage: stage.name,
    version: stage.version,
    params: withDigests(params, `stages.${planned.name}`, plan.inputDigests),
    inputs,
    needs: Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest])),
    seed: plan.seed,
    blocks: plan.blocks,
    plugins: plan.plugins.map(({ name, digest }) => ({ name, digest })),
    numerics: numericsVersion,
    engine: engineVersion,
  }
}

/** The key of a plan, task or gather. */
export function keyOf(
  base: Components,
  kind: 'plan' | 'run' | 'gather',
  more: Components = {},
): { key: Digest; components: Components } {
  const all = { ...base, kind, ...more }
  return { key: digestJson(all), components: all }
}

/** What of a task enters its key: not what is for people. */
export const taskComponents = ({ id, params, inputs }: TaskPlan): Components => ({
  task: id,
  taskParams: params,
  taskInputs: Object.fromEntries(Object.entries(inputs).map(([name, { digest }]) => [name, digest])),
})

const withoutPaths = (plan: FrozenPlan, name: string): unknown =>
  withDigests(plan.inputs[name], name, plan.inputDigests)

/** A value with every path that has a digest replaced by it. */
function withDigests(value: unknown, at: string, digests: FrozenPlan['inputDigests']): unknown {
  if (at in digests) return digests[at]
  if (Array.isArray(value)) return value.map((item, i) => withDigests(item, `${at}.${i}`, digests))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withDigests(item, `${at}.${key}`, digests)]),
  )
}
