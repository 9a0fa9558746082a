import type { JsonObject, StageContext } from '../api/index.js'
import type { Scenario } from '../model/index.js'
import type { CostTable } from './costs.js'
import type { DepthStep } from './depth-step.js'
import { readJson, readLibrary } from './library.js'
import { limitsOf } from './limits.js'
import { openParent } from './parent.js'
import type { ScoreRow } from './score-row.js'
import { parentLayers, type ProblemParts } from './selection-problem.js'

/** How scores of the two slots of a layer add up. */
export type Composition = 'sum' | 'rss'

/** Everything the selection problem is made of. */
export async function problemParts(
  context: StageContext<unknown>,
  composition: 'measured' | Composition = 'measured',
): Promise<ProblemParts> {
  const { score, depth } = context.stages
  return {
    ...(await costParts(context)),
    rows: await readJson<ScoreRow[]>(context, score!.files.scores!),
    ...(depth?.files.depth && { depth: await readJson<DepthStep[]>(context, depth.files.depth) }),
    composition: composition === 'measured' ? (score!.values.composition as 'sum' | 'rss') : composition,
  }
}

/** What costs of models are predicted from. */
export async function costParts(
  context: StageContext<unknown>,
): Promise<Omit<ProblemParts, 'rows' | 'composition' | 'depth'>> {
  const { stages, spec } = context
  const model = await openParent(context)
  return {
    library: await readLibrary(context),
    table: await readJson<CostTable>(context, stages.profile!.files.costs!),
    scenario: (spec.target as { scenario: JsonObject }).scenario as unknown as Scenario,
    limits: limitsOf(spec),
    parent: parentLayers(model),
  }
}
