import type { Environment } from '../api/index.js'
import type { HeadWeights } from '../model/index.js'
import type { Batches } from './batches.js'
import { loadsAt, loadsAtEach, type ParentBatch } from './batch-loads.js'
import type { CostTable } from './costs.js'
import type {
  BaseOutputs,
  DepthOutputs,
  DistillOutputs,
  ProfileOutputs,
  RefineOutputs,
  ScoreOutputs,
} from './hand-over.js'
import { headChoices, loadsAtEachHead, loadsWithHead, type ChosenHead } from './heads.js'
import type { ModelInput, TargetInput } from './inputs.js'
import { readJson } from './library.js'
import { readLibrary } from './read-library.js'
import type { Load } from './loads.js'
import { limitsOf } from './scenarios.js'
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
    readonly base?: BaseOutputs
  }
}

/** What the search has chosen besides the blocks. */
interface Chosen {
  /** Of child and parent, where the target leaves them to the search. */
  readonly batches?: Batches
  /** Type of the child's head, if it is not the parent's. */
  readonly head?: HeadWeights
}

/** Everything but the scenarios, and what blocks cost in them. */
type Unloaded<T> = Omit<T, keyof Load | 'others'>

/** Parts that costs of models are predicted from. */
type CostParts = Omit<ProblemParts, 'rows' | 'composition' | 'depth' | 'base' | keyof ChosenHead>

/** Reads everything that the selection problem is created from.
 *  @param chosen  what the target and the space leave to the search */
export async function problemParts(
  context: ProblemContext,
  composition: 'measured' | Composition = 'measured',
  { batches, head }: Chosen = {},
): Promise<ProblemParts> {
  const { stages, spec } = context
  const loads = loadsAt(spec.target, await readTables(context, stages.profile.files), batches)
  const headScore = head && stages.score.values.heads?.[head]
  return {
    ...(await unloaded(context, composition)),
    ...loadsWithHead(loads, head),
    ...(head && { head }),
    ...(headScore !== undefined && { headScore }),
  }
}

/** Reads the same for each batch and head that the search may choose from: one element where there is no choice. */
export async function problemPartsAtEach(
  context: ProblemContext,
  composition: 'measured' | Composition,
): Promise<{ readonly all: readonly ProblemParts[]; readonly parent?: ParentBatch }> {
  const { stages, spec } = context
  const parts = await unloaded(context, composition)
  const tables = await readTables(context, stages.profile.files)
  const { loads, ...rest } = loadsAtEach(spec.target, tables, parts.limits, parts.parent)
  const heads = headChoices(stages.profile.values.heads, stages.score.values.heads)
  return { all: loadsAtEachHead(loads, heads).map((own) => ({ ...parts, ...own })), ...rest }
}

async function unloaded(
  context: ProblemContext,
  composition: 'measured' | Composition,
): Promise<Unloaded<ProblemParts>> {
  const { score, depth, refine, base } = context.stages
  return {
    ...(await unloadedCosts(context)),
    rows: await readJson(context, score.files.scores),
    ...(depth?.files.depth && { depth: await readJson(context, depth.files.depth) }),
    ...(base && { base: base.values.layers }),
    ...(refine?.files.scores && { inContext: await readJson(context, refine.files.scores) }),
    composition: composition === 'measured' ? score.values.composition : composition,
  }
}

/** Reads everything that costs of models are predicted from.
 *  @returns the parts for what a solution has of what the target and the space leave to the search */
export async function costParts(context: CostContext): Promise<(chosen: Chosen) => CostParts> {
  const parts = await unloadedCosts(context)
  const tables = await readTables(context, context.stages.profile.files)
  return ({ batches, head }) => ({ ...parts, ...loadsWithHead(loadsAt(context.spec.target, tables, batches), head) })
}

async function unloadedCosts(context: CostContext): Promise<Unloaded<CostParts>> {
  const { target } = context.spec
  return {
    library: await readLibrary(context),
    limits: limitsOf(target),
    rules: target.choices ?? [],
    parent: parentLayers(await openParent(context)),
  }
}

/** Reads what blocks cost in each scenario of a target, or at each of its batches. */
export async function readTables(
  context: Pick<Environment, 'open'>,
  { costs, otherCosts }: ProfileOutputs['files'],
): Promise<readonly CostTable[]> {
  return [await readJson(context, costs), ...(otherCosts ? await readJson(context, otherCosts) : [])]
}
