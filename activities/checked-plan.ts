import { Failure } from '../api/index.js'
import { isObject } from '../api/json-object.js'
import type { Loaded } from '../plugins/registry.js'
import { readSchema } from '../schemas/read.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import { asWritten } from '../spec/programs.js'
import { checkValue } from '../spec/validate.js'

const planSchema = readSchema('plan')

const refused = (why: string) =>
  new Failure('InvalidInput', `The plan is refused: ${why.replace(/\.$/, '')}`, {
    remedy: 'Plans come from `npx puzzleflow run` of the same version as the workers: run the same command again.',
  })

/**
 * Checks the form of a plan, which comes from a store or a server where others may write.
 * @throws Failure InvalidInput
 */
export function checkForm(value: unknown): FrozenPlan {
  if (!isObject(value)) throw refused('it is not an object')
  const [finding] = checkValue(planSchema, value, 'plan').findings
  if (finding) throw refused(finding.message)
  const plan = value as object as FrozenPlan
  const before = new Set<string>()
  for (const { name, needs } of plan.stages) {
    if (before.has(name)) throw refused(`it has two stages "${name}"`)
    before.add(name)
    // A run of a part of a pipeline gets the outputs of stages that are not in its plan.
    const late = needs.find((need) => need === name || (isIn(plan, need) && !before.has(need)))
    if (late !== undefined) throw refused(`the stage "${name}" comes before "${late}", which it needs`)
  }
  return plan
}

const isIn = ({ stages }: FrozenPlan, name: string) => stages.some((stage) => stage.name === name)

/**
 * Checks what a plan says of types against those that are here: keys are made of it, so a result would be kept as that of another
 * version. Parameters of stages must be what the types' schemas want.
 * @param loaded  types of the plan's plugins included
 * @throws Failure InvalidInput
 */
export function checkTypes(plan: FrozenPlan, loaded: Loaded): void {
  for (const stage of plan.stages) checkStage(stage, loaded)
  for (const { slot, name, version, plugin } of plan.blocks)
    checkVersion(`${slot} block type "${name}"`, { version, plugin }, loaded, loaded.blocks.get(slot, name))
  for (const { name, version, plugin } of plan.runs ?? [])
    checkVersion(`run type "${name}"`, { version, plugin }, loaded, loaded.runs.get(name))
  const { family } = plan
  if (family && !plan.plugins.some(({ digest }) => digest === family.plugin))
    throw refused(`the family "${family.name}" comes from a plugin that it does not list`)
}

function checkStage(planned: PlannedStage, loaded: Loaded): void {
  const { name, uses, version, plugin } = planned
  const type = loaded.stage(uses)
  checkVersion(`stage type "${uses}"`, { version, plugin }, loaded, type)
  if ((type.gate ?? false) !== (planned.gate ?? false)) throw refused(`the stage "${name}" is not a "${uses}"`)
  const params = asWritten(type.parameters, planned.params)
  const [finding] = checkValue(type.parameters, params, `stages.${name}`).findings
  if (finding) throw refused(finding.message)
}

function checkVersion(
  what: string,
  said: { readonly version: number; readonly plugin: string | undefined },
  loaded: Loaded,
  type: Parameters<Loaded['originOf']>[0] & { readonly version: number },
): void {
  if (said.version !== type.version)
    throw refused(`it has version ${said.version} of the ${what}; this worker has version ${type.version}`)
  if (said.plugin !== loaded.originOf(type)?.digest) throw refused(`the ${what} does not come from the plugin it names`)
}
