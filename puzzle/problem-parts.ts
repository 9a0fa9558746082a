import type { Environment } from '../api/index.js'
import type { DepthOutputs, DistillOutputs, ProfileOutputs, RefineOutputs, ScoreOutputs } from './hand-over.js'
import type { ModelInput, Target, TargetInput } from './inputs.js'
import { readJson } from './library.js'
import { readLibrary } from './read-library.js'
import type { Loads } from './loads.js'
import { limitsOf, scenariosOf } from './scenarios.js'
import { openParent } from './parent.js'
import type { Composition } from './score-row.js'
import { parentLayers, type ProblemParts } from './selection-problem.js'

/** Context of a stage that predicts costs, with the stages that it needs for that. */
interface CostContext extends Environment<ModelInput & TargetInput> {
  readonly stages: { readonly distill: DistillOutputs; readonly profile: ProfileOutputs }
}

/** Context of a stage that creates the selection problem, with the stages that it needs for that. */
interface ProblemContext extends CostContext {
  readonly stages: CostContext['stages'] & {
    readonly score: ScoreOutputs
    readonly depth?: DepthOutputs
    readonly refine?: RefineOutputs
  }
}

/** Reads everything that the selection problem is created from. */
export async function problemParts(
  context: ProblemContext,
  composition: 'measured' | Composition = 'measured',
): Promise<ProblemParts> {
  const { score, depth, refine } = context.stages
  return {
    ...(await costParts(context)),
    rows: await readJson(context, score.files.scores),
    ...(depth?.files.depth && { depth: await readJson(context, depth.files.depth) }),
    ...(refine?.files.scores && { inContext: await readJson(context, refine.files.scores) }),
    composition: composition === 'measured' ? score.values.composition : composition,
  }
}

/** Reads everything that costs of models are predicted from. */
export async function costParts(context: CostContext): Promise<Omit<ProblemParts, 'rows' | 'composition' | 'depth'>> {
  const { stages, spec } = context
  const model = await openParent(context)
  return {
    library: await readLibrary(context),
    ...(await readLoads(context, spec.target, stages.profile)),
    limits: limitsOf(spec.target),
    rules: spec.target.choices ?? [],
    parent: parentLayers(model),
  }
}

/** Reads what blocks cost in each scenario of a target. */
export async function readLoads(
  context: Pick<Environment, 'open'>,
  target: Target,
  { files: { costs, otherCosts } }: ProfileOutputs,
): Promise<Loads> {
  const [first, ...rest] = scenariosOf(target)
  const tables = otherCosts ? await readJson(context, otherCosts) : []
  return {
    scenario: first!.scenario,
    table: await readJson(context, costs),
    ...(rest.length > 0 && { others: rest.map(({ scenario }, i) => ({ scenario, table: tables[i]! })) }),
  }
}
