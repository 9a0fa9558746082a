import type { Scenario } from '../../model/index.js'
import { solve as solveProblem, type SolveResult } from '../../solver/index.js'
import { Failure, type JsonObject, type SingleStage, type StageContext } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { DepthStep } from './depth.js'
import { readJson, readLibrary } from '../../puzzle/library.js'
import { bounds, describeInfeasible, limitsOf } from '../../puzzle/limits.js'
import type { ScoreRow } from './score.js'
import { openParent } from '../../data/sequences.js'
import { makeProblem, parentCost, parentLayers, toSolution, type ProblemParts, type Solution } from '../../puzzle/selection-problem.js'

interface SolveParams {
  readonly solutions: number
  readonly minimumDifference: number
  readonly gap: number
  readonly margin: number
  readonly composition: 'measured' | 'sum' | 'rss'
  readonly timeLimit: number
}

/** What `solve` leaves for later stages. */
export interface SolveOutcome extends Omit<SolveResult, 'solutions'> {
  readonly composition: 'sum' | 'rss'
  readonly solutions: readonly Solution[]
  readonly proofs: readonly {
    readonly objective: number
    readonly bound: number
    readonly gap: number
    readonly seconds: number
  }[]
}

/** One variant per slot and layer with the least KL under the limits: a pool of different solutions, and baselines. */
export const solve: SingleStage<SolveParams> = {
  name: 'solve',
  version: 3,
  reads: ['model', 'target'],
  about: { summary: 'Picks a variant for each slot of each layer: the least sum of scores within the limits.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      solutions: {
        description: 'Children that the search proposes, each different from the others by `minimumDifference`.',
        type: 'integer',
        minimum: 1,
        maximum: 1000,
        reason: 'each is solved for and measured',
        default: 3,
      },
      minimumDifference: {
        quantity: 'fraction',
        default: 0.2,
        description: 'Share of layers in which two solutions differ at least.',
      },
      gap: {
        description: 'How far, as a part of it, the best solution’s score may be from the proven bound.',
        type: 'number',
        minimum: 0,
        maximum: 1,
        default: 0.0001,
      },
      margin: {
        quantity: 'fraction',
        default: 0.05,
        description: 'By how much more limits of time are aimed at: predictions and measurements are noisy.',
      },
      composition: {
        enum: ['measured', 'sum', 'rss'],
        default: 'measured',
        description: 'How scores of the two slots of a layer add up; measured: as the pairs that were scored say.',
      },
      timeLimit: {
        quantity: 'duration',
        exclusiveMinimum: 0,
        default: 60,
        description: 'A safety net; what is not proven by then says so.',
      },
    },
  },

  async run(context) {
    const parts = await problemParts(context, context.params.composition)
    const { solutions, minimumDifference, gap, timeLimit, margin } = context.params
    const aim = { throughput: 1 + margin, latency: 1 / (1 + margin) }
    const problemFor = (correction: Parameters<typeof makeProblem>[2]) => ({
      ...makeProblem(parts, { solutions, minimumDifference, gap, seed: context.seed }, correction),
      timeLimitSeconds: timeLimit,
    })
    let problem = problemFor(aim)
    let result = await solveProblem(problem)
    if (result.status === 'infeasible') {
      // The margin is a wish, the limits are not.
      problem = problemFor({})
      result = await solveProblem(problem)
    }
    if (result.status === 'infeasible')
      throw new Failure('Infeasible', whyInfeasible(parts, result), {
        remedy: 'Loosen the limits, or add cheaper block types to `space`.',
      })
    if (result.solutions.length === 0)
      throw new Failure('TaskFailed', `The solver found no solution within ${timeLimit} s, and ruled none out`, {
        remedy: 'Give it more time: stages.solve.timeLimit.',
      })
    const outcome: SolveOutcome = {
      ...result,
      composition: parts.composition,
      solutions: result.solutions.map(({ choice, objective }) => toSolution(parts, choice, objective)),
      proofs: result.solutions.map(({ objective, bound, gap, seconds }) => ({ objective, bound, gap, seconds })),
    }
    return {
      values: {
        status: result.status,
        objective: result.solutions[0]!.objective,
        bound: result.solutions[0]!.bound,
        gap: result.solutions[0]!.gap,
        solutions: result.solutions.length,
        composition: parts.composition,
      },
      files: {
        problem: await context.put('problem', problem as unknown as JsonObject),
        solutions: await context.put('solutions', outcome as unknown as JsonObject),
      },
    }
  },
}

function whyInfeasible(parts: ProblemParts, { infeasible }: SolveResult): string {
  const yard = { parent: parentCost(parts), floor: parts.table.floor, scenario: parts.scenario }
  return describeInfeasible(bounds(parts.limits, yard.parent, yard.floor, yard.scenario), yard, infeasible)
}

/** Everything the selection problem is made of. */
export async function problemParts(
  context: StageContext<unknown>,
  composition: SolveParams['composition'] = 'measured',
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
