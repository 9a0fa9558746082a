import { Failure, type SingleStage } from '../../api/index.js'
import type {
  BaseOutputs,
  DepthOutputs,
  DistillOutputs,
  ProfileOutputs,
  ScoreOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import { bestBatch, noneFeasible, solveAtEach, unmetBy, type SolvedAt } from '../../puzzle/best-batch.js'
import { whyInfeasible } from '../../puzzle/infeasible-batches.js'
import type { Correction } from '../../puzzle/correction.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { limitId, onTime } from '../../puzzle/limit.js'
import { partOfTheWay } from '../../puzzle/limits.js'
import { yardsOf } from '../../puzzle/loads.js'
import { problemPartsAtEach } from '../../puzzle/problem-parts.js'
import { makeProblem, type ProblemParts } from '../../puzzle/selection-problem.js'
import type { ConsideredBatch, ConsideredHead, SolveOutcome } from '../../puzzle/solve-outcome.js'

interface SolveParams {
  readonly solutions: number
  readonly minimumDifference: number
  readonly gap: number
  readonly margin: number
  /** @default 1 */
  readonly share?: number
  readonly composition: 'measured' | 'sum' | 'rss'
  readonly timeLimit: number
}

/** Chooses one variant per slot and layer with the least predicted KL under the limits, and the batch to serve at and the head where they are a
 *  choice. Returns a pool of different solutions, and baselines. */
export const solve: SingleStage<
  SolveParams,
  {
    readonly score: ScoreOutputs
    readonly profile: ProfileOutputs
    readonly distill: DistillOutputs
    readonly depth?: DepthOutputs
    readonly base?: BaseOutputs
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
      share: {
        quantity: 'fraction',
        exclusiveMinimum: 0,
        description:
          'How far to go from the parent towards the limits, as a share of what must be saved of each cost. Default: all of it.',
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
        maximum: 86_400,
        reason: 'a problem that is not proven within a day never will be',
        default: 60,
        description: 'A safety net: a solution that is not proven optimal by then is marked as such.',
      },
    },
  },

  /** A moment, beside the others. */
  resources: () => ({ work: {} }),

  async run(context) {
    const { all, parent } = await problemPartsAtEach(context, context.params.composition)
    const { solutions, minimumDifference, gap, timeLimit, margin, share = 1 } = context.params
    const [{ limits, composition }] = all as [ProblemParts]
    const aim = Object.fromEntries(
      limits.filter(onTime).map((limit) => [limitId(limit), limit.bound === 'min' ? 1 + margin : 1 / (1 + margin)]),
    )
    const problemFor = (correction: Correction) => (parts: ProblemParts) => ({
      ...makeProblem(
        parts,
        { solutions, minimumDifference, gap, seed: context.seed },
        share < 1 ? multiplied(correction, partOfTheWay(limits, yardsOf(parts, parts.parent), share)) : correction,
      ),
      timeLimitSeconds: timeLimit,
    })
    const withoutMargin = (parts: readonly ProblemParts[]) => solveAtEach(parts, problemFor({}))
    let solved = await solveAtEach(all, problemFor(aim))
    const hasMargin = !noneFeasible(solved)
    // The margin can be dropped, the limits cannot.
    if (!hasMargin) solved = await withoutMargin(all)
    if (noneFeasible(solved))
      throw new Failure('Infeasible', whyInfeasible(solved.map(unmetBy)), {
        remedy: 'Loosen the limits, or add cheaper block types to `space`.',
      })
    const best = bestBatch(solved)
    if (!best)
      throw new Failure('TaskFailed', unsolved(timeLimit), {
        remedy: 'Give it more time: stages.solve.timeLimit.',
      })
    const whatItGives = async (own: SolvedAt): Promise<ConsideredBatch> => {
      const { batch } = own.parts.scenario
      const [solution] = own.solutions
      if (solution) {
        const { throughput, memoryBytes } = solution.predicted
        return { batch, objective: solution.objective, throughput, memoryBytes }
      }
      if (own.result.status !== 'infeasible') return { batch, reason: unsolved(timeLimit) }
      // Reasons are about the limits of the spec, not about those that were aimed at.
      const [exact] = hasMargin ? await withoutMargin([own.parts]) : [own]
      if (exact!.result.status === 'infeasible') return { batch, reason: unmetBy(exact!).reason }
      return {
        batch,
        reason: `The limits are met only without the margin of ${Number((100 * margin).toPrecision(3))} %`,
      }
    }
    const { result, problem } = best
    const [first] = result.solutions
    const { batches } = best.solutions[0]!
    const considered: ConsideredBatch[] = []
    // Other heads at the batch that was chosen are listed apart.
    const { head } = best.solutions[0]!
    if (batches) for (const own of solved) if (own.parts.head === head) considered.push(await whatItGives(own))
    const heads: ConsideredHead[] = []
    if (solved.some(({ parts }) => parts.head !== head))
      for (const own of solved) heads.push({ head: own.parts.head ?? 'float32', ...(await whatItGives(own)) })
    if (parent?.fits === false)
      context.log(
        `the parent meets the memory limit at no batch: the child is compared with the parent at batch ${parent.batch}, the fastest`,
      )
    const outcome: SolveOutcome = {
      ...result,
      composition,
      solutions: best.solutions,
      proofs: result.solutions.map(({ objective, bound, gap, seconds }) => ({ objective, bound, gap, seconds })),
      ...(batches && { batches: { ...batches, parentFits: parent!.fits, considered } }),
      ...(head && { head }),
      ...(heads.length > 0 && { heads }),
    }
    return {
      values: {
        status: result.status,
        objective: first!.objective,
        bound: first!.bound,
        gap: first!.gap,
        solutions: result.solutions.length,
        composition,
      },
      files: {
        problem: await context.put('problem', problem),
        solutions: await context.put('solutions', outcome),
      },
    }
  },
}

/** The product of two corrections; a limit that one of them lacks is as it is there. */
const multiplied = (a: Correction, b: Correction): Correction =>
  Object.fromEntries(
    [...new Set([...Object.keys(a), ...Object.keys(b)])].map((id) => [id, (a[id] ?? 1) * (b[id] ?? 1)]),
  )

const unsolved = (timeLimit: number): string =>
  `The solver found no solution within ${timeLimit} s, but has not proved that there is none`
