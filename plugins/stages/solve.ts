import { solve as solveProblem, type SolveResult } from '../../solver/index.js'
import { Failure, type SingleStage } from '../../api/index.js'
import type {
  DepthOutputs,
  DistillOutputs,
  ProfileOutputs,
  ScoreOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { limitId, onTime } from '../../puzzle/limit.js'
import { bounds, describeInfeasible } from '../../puzzle/limits.js'
import { yardsOf } from '../../puzzle/loads.js'
import { problemParts } from '../../puzzle/problem-parts.js'
import { makeProblem, toSolution, type ProblemParts } from '../../puzzle/selection-problem.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'

interface SolveParams {
  readonly solutions: number
  readonly minimumDifference: number
  readonly gap: number
  readonly margin: number
  readonly composition: 'measured' | 'sum' | 'rss'
  readonly timeLimit: number
}

/** Chooses one variant per slot and layer with the least predicted KL under the limits. Returns a pool of different solutions,
 *  and baselines. */
export const solve: SingleStage<
  SolveParams,
  {
    readonly score: ScoreOutputs
    readonly profile: ProfileOutputs
    readonly distill: DistillOutputs
    readonly depth?: DepthOutputs
  },
  SolveOutputs,
  ModelInput & TargetInput
> = {
  name: 'solve',
  version: 4,
  reads: ['model', 'target'],
  about: { summary: 'Chooses a variant for each slot of each layer: the smallest sum of scores within the limits.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      solutions: {
        description: 'Number of children to propose; any two differ by at least `minimumDifference`.',
        type: 'integer',
        minimum: 1,
        maximum: 1000,
        reason: 'each one is solved and measured separately',
        default: 3,
      },
      minimumDifference: {
        quantity: 'fraction',
        default: 0.2,
        description: 'Minimum share of layers in which any two solutions differ.',
      },
      gap: {
        description: 'Maximum relative gap between the score of the best solution and the proven bound.',
        type: 'number',
        minimum: 0,
        maximum: 1,
        default: 0.0001,
      },
      margin: {
        quantity: 'fraction',
        default: 0.05,
        description: 'Safety margin on limits on time: predictions and measurements are noisy.',
      },
      composition: {
        enum: ['measured', 'sum', 'rss'],
        default: 'measured',
        description:
          'How the scores of a layer’s two slots are combined; measured: whichever fits the scored pairs better.',
      },
      timeLimit: {
        quantity: 'duration',
        exclusiveMinimum: 0,
        default: 60,
        description: 'A safety net: a solution that is not proven optimal by then is marked as such.',
      },
    },
  },

  async run(context) {
    const parts = await problemParts(context, context.params.composition)
    const { solutions, minimumDifference, gap, timeLimit, margin } = context.params
    const aim = Object.fromEntries(
      parts.limits
        .filter(onTime)
        .map((limit) => [limitId(limit), limit.bound === 'min' ? 1 + margin : 1 / (1 + margin)]),
    )
    const problemFor = (correction: Parameters<typeof makeProblem>[2]) => ({
      ...makeProblem(parts, { solutions, minimumDifference, gap, seed: context.seed }, correction),
      timeLimitSeconds: timeLimit,
    })
    let problem = problemFor(aim)
    let result = await solveProblem(problem)
    if (result.status === 'infeasible') {
      // The margin can be dropped, the limits cannot.
      problem = problemFor({})
      result = await solveProblem(problem)
    }
    if (result.status === 'infeasible')
      throw new Failure('Infeasible', whyInfeasible(parts, result), {
        remedy: 'Loosen the limits, or add cheaper block types to `space`.',
      })
    if (result.solutions.length === 0)
      throw new Failure(
        'TaskFailed',
        `The solver found no solution within ${timeLimit} s, but has not proved that there is none`,
        {
          remedy: 'Give it more time: stages.solve.timeLimit.',
        },
      )
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
        problem: await context.put('problem', problem),
        solutions: await context.put('solutions', outcome),
      },
    }
  },
}

function whyInfeasible(parts: ProblemParts, { infeasible }: SolveResult): string {
  const yards = yardsOf(parts, parts.parent)
  return describeInfeasible(bounds(parts.limits, yards), parts.rules ?? [], yards, infeasible)
}
