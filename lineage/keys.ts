import { Failure, type JsonObject, type Stage, type TaskPlan } from '../api/index.js'
import { shown } from '../errors/foreign.js'
import { resolveExpressions } from '../spec/expressions.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import { needName } from '../spec/need-name.js'
import { digestJson } from '../store/digest.js'
import type { ArtifactRef, Digest } from '../store/index.js'
import { engineVersion, numericsVersion } from '../tensor/version.js'
import { digestsOf, pick, withDigests } from './inputs.js'

/** Everything that can change the result of a task, by name. `explain` compares these components. */
export type Components = Readonly<Record<string, unknown>>

/** A key and its components, of which it is the digest. */
export interface Key {
  readonly key: Digest
  readonly components: Components
}

export const plannedStage = (plan: FrozenPlan, name: string): PlannedStage => {
  const found = plan.stages.find((stage) => stage.name === name)
  if (!found) throw new Failure('InvalidInput', `The plan has no stage ${shown(name)}`)
  return found
}

/** The task of a stage that has only one. */
export const onlyTask = (stage: string): TaskPlan => ({ id: stage, label: stage, params: {}, inputs: {} })

/** Resolves expressions in a stage's parameters with the outputs of earlier stages, by the names by which it finds them. */
export const stageParams = (
  planned: PlannedStage,
  outputs: Readonly<
    Record<string, { readonly values: JsonObject; readonly files: Readonly<Record<string, ArtifactRef>> }>
  >,
): JsonObject => resolveExpressions(planned.params, outputs, (stage) => needName(planned, stage))

/** A stage of a plan, with everything that its keys are computed from. */
export interface KeyParts {
  readonly plan: FrozenPlan
  readonly planned: PlannedStage
  readonly stage: Stage
  /** Parameters with resolved expressions. */
  readonly params: JsonObject
  /** An artifact with the outputs of each stage that this one needs, by the name by which it finds them. */
  readonly outputs: Readonly<Record<string, ArtifactRef>>
}

/** Computes the key of the list of a stage's tasks. */
export const planKey = (parts: KeyParts): Key => keyOf({ kind: 'plan', ...whole(parts) })

/** Computes the key of a stage that is one task, or of a planned task. The latter depends only on the task's description. */
export const taskKey = (parts: KeyParts, task: TaskPlan): Key => taskKeys(parts)(task)

/** Returns a function that computes keys of tasks. What they have in common is computed only once, however large the spec is. */
export function taskKeys(parts: KeyParts): (task: TaskPlan) => Key {
  const { plan, stage } = parts
  if (!stage.plan) {
    const key = keyOf({ kind: 'run', ...whole(parts) })
    return () => key
  }
  const [common, read] = [numbers(parts), inputs(plan, stage.taskReads ?? [])]
  return (task) =>
    keyOf({
      kind: 'run',
      ...common,
      // Distinguishes tasks with the same parameters.
      task: task.id,
      taskParams: task.params,
      taskInputs: Object.fromEntries(Object.entries(task.inputs).map(([name, { digest }]) => [name, digest])),
      inputs: read,
      blocks: blocks(plan, task.blocks),
      ...runs(plan, task.runs ?? []),
    })
}

/** Computes the key of the gathering of a stage's tasks. */
export const gatherKey = (parts: KeyParts, keys: readonly (Digest | null)[], tasks: readonly TaskPlan[]): Key =>
  keyOf({
    kind: 'gather',
    ...whole(parts),
    tasks: keys,
    // Tasks that were left out. The reasons do not matter.
    skipped: tasks.filter((_, i) => keys[i] === null).map(({ id }) => id),
  })

/** Computes the key of the list of tasks from the components of their gathering. */
export function planKeyBehind({ tasks: _, skipped: __, ...components }: Components): Digest {
  return digestJson({ ...components, kind: 'plan' })
}

const keyOf = (components: Components): Key => ({ key: digestJson(components), components })

/** Components that change the numbers of every task. */
const numbers = ({ plan, planned, stage }: KeyParts): Components => ({
  stage: stage.name,
  // Raised by hand when the stage's results change.
  version: stage.version,
  // A plugin's stage counts as another one if its code changes.
  ...(planned.plugin === undefined ? {} : { plugin: planned.plugin }),
  seed: plan.seed,
  // Graphs and kernels affect the last bits.
  numerics: numericsVersion,
  engine: engineVersion,
  // A model that is read by other rules counts as another model.
  ...(plan.family && { family: plan.family }),
  ...(plan.otherHead && { otherHead: true }),
})

const whole = (parts: KeyParts): Components => ({
  ...numbers(parts),
  params: withDigests(parts.params, `stages.${parts.planned.name}`, parts.plan.inputDigests),
  inputs: inputs(parts.plan, parts.stage.reads),
  needs: Object.fromEntries(Object.entries(parts.outputs).map(([name, { digest }]) => [name, digest])),
  blocks: blocks(parts.plan, undefined),
  // Only stages that read the space use run types.
  ...(parts.stage.reads.some((path) => path.split('.')[0] === 'space') ? runs(parts.plan) : {}),
})

/** The parts of the spec's inputs that a stage reads, with paths replaced by the digests of their contents. */
const inputs = (plan: FrozenPlan, reads: readonly string[]): JsonObject =>
  pick(withDigests(plan.inputs, '', tablesApart(plan, digestsOf(plan, reads))) as JsonObject, reads)

/** Includes the names of tables in their digests, because the same bytes under another name would be read as text. */
function tablesApart({ inputs: { data } }: FrozenPlan, digests: ReturnType<typeof digestsOf>): Record<string, Digest> {
  const apart: Record<string, Digest> = { ...digests }
  for (const [name, file] of Object.entries((data ?? {}) as Record<string, { readonly path?: unknown } | null>)) {
    const at = `data.${name}.path`
    const table = /\.(csv|tsv|tab)(\.\w+)?$/i.exec(String(file?.path))?.[1]?.toLowerCase()
    if (table !== undefined && at in apart) apart[at] = digestJson({ digest: apart[at], table })
  }
  return apart
}

/** Versions of block types, and digests of the plugins that they come from. */
function blocks(plan: FrozenPlan, used: TaskPlan['blocks']): readonly Components[] {
  const known = plan.blocks.filter(
    ({ slot, name }) => used === undefined || used.some((own) => own.slot === slot && own.name === name),
  )
  const missing = used?.find((own) => !known.some(({ slot, name }) => own.slot === slot && own.name === name))
  if (missing) throw new Error(`Internal error: the plan does not list the ${missing.slot} block type ${missing.name}`)
  return known.map((own) => ({ ...own }))
}

/** Versions of run types, and digests of the plugins that they come from; {} if none is used. */
function runs(
  { runs: planned = [] }: FrozenPlan,
  used: readonly string[] = planned.map(({ name }) => name),
): Components {
  const known = planned.filter(({ name }) => used.includes(name))
  const missing = used.find((name) => !known.some((own) => own.name === name))
  if (missing !== undefined) throw new Error(`Internal error: the plan does not list the run type ${missing}`)
  return known.length === 0 ? {} : { runs: known.map((own) => ({ ...own })) }
}
