import { solve as solveProblem } from '../../solver/index.js'
import { digestJson, type SingleStage } from '../../api/index.js'
import type {
  DepthOutputs,
  DistillOutputs,
  EvaluateOutputs,
  PrepareOutputs,
  ProfileOutputs,
  ScoreOutputs,
  SelectOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { throughputOf } from '../../puzzle/costs.js'
import { judgeLimits, retimed, timing, type TimingParams } from '../../puzzle/judge-limits.js'
import { asTask, assemble, chosenEntries, readJson } from '../../puzzle/library.js'
import type { Limit } from '../../puzzle/limit.js'
import { limitsOf } from '../../puzzle/limits.js'
import {
  evaluatePair,
  measureQuality,
  openYardstick,
  thoroughness,
  withPredictions,
  type Evaluation,
  type Quality,
  type Thoroughness,
  type Yardstick,
} from '../../puzzle/evaluation.js'
import { openParent } from '../../puzzle/parent.js'
import { problemParts } from '../../puzzle/problem-parts.js'
import { makeProblem, parentCost, toSolution, type Solution } from '../../puzzle/selection-problem.js'

interface SelectParams extends Thoroughness, TimingParams {
  readonly rounds: number
}

/** A solution as it was measured, and the corrected solve that it comes from; 0: the pool. */
interface Candidate {
  readonly solution: Solution
  readonly evaluation: Evaluation
  readonly round: number
}

interface SelectNeeds {
  readonly prepare: PrepareOutputs
  readonly profile: ProfileOutputs
  readonly distill: DistillOutputs
  readonly depth?: DepthOutputs
  readonly score: ScoreOutputs
  readonly solve: SolveOutputs
  readonly evaluate: EvaluateOutputs
}

/**
 * Selects the solution with the least KL among those that meet the limits as measured. One that narrowly misses a limit on
 * time is timed again. If none meets them, the limits are corrected by predicted / measured and the problem is solved again.
 */
export const select: SingleStage<SelectParams, SelectNeeds, SelectOutputs, ModelInput & TargetInput> = {
  name: 'select',
  version: 7,
  reads: ['model', 'target'],
  exclusive: true,
  about: {
    summary:
      'Selects the best child that meets the limits as measured; if none does, solves again with corrected limits.',
  },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      rounds: { type: 'integer', minimum: 0, default: 3, description: 'Maximum number of corrected solves.' },
      ...timing,
      ...thoroughness,
    },
  },

  async run(context) {
    const { params, stages, spec, seed } = context
    const limits = limitsOf(spec.target)
    const outcome = await readJson(context, stages.solve.files.solutions)
    const parts = await problemParts(context, outcome.composition)
    const measured = stages.evaluate.values.evaluations
    const model = await openParent(context)
    const childOf = ({ choice }: Solution) => {
      const { fillings, inputs } = asTask(chosenEntries(parts.library, choice))
      return assemble(model, fillings, inputs, context)
    }
    const candidates: Candidate[] = []
    const add = async (solution: Solution, evaluation: Evaluation, round: number) => {
      const again = (session: number) =>
        context.progress(
          0,
          `solution ${candidates.length + 1} narrowly misses a limit: timing again, session ${session}`,
        )
      const retiming = { limits, ...params }
      const timed = await retimed(evaluation, () => [model, childOf(solution)], parts.scenario, retiming, again)
      candidates.push({ solution, evaluation: timed, round })
    }
    for (const [i, solution] of outcome.solutions.entries()) await add(solution, measured[i]!, 0)
    const judge = ({ evaluation }: Candidate) => judgeLimits(limits, parts.scenario, evaluation)
    const holds = (candidate: Candidate) => judge(candidate).every(({ held }) => held)

    let yardstick: Yardstick | undefined
    let parent: Quality | undefined
    let correction: Partial<Record<Limit['name'], number>> = {}
    for (let round = 1; round <= params.rounds && !candidates.some(holds); round++) {
      const last = candidates.at(-1)!
      const from = round === 1 ? candidates[0]! : last
      correction = corrected(limits, correction, from.evaluation)
      context.progress(
        round / (params.rounds + 1),
        `no solution meets the limits as measured: solving again, round ${round}`,
      )
      const result = await solveProblem({
        ...makeProblem(parts, { solutions: 1, minimumDifference: 0, gap: 1e-4, seed }, correction),
      })
      const best = result.solutions[0]
      if (!best) break
      const solution = toSolution(parts, best.choice, best.objective)
      yardstick ??= await openYardstick(context, model, stages.prepare.files, parts.scenario, params)
      parent ??= await measureQuality(model, yardstick)
      const evaluation = await evaluatePair(yardstick, parent, childOf(solution), params.repetitions)
      const predicted = {
        parent: throughputOf(parts.scenario, parentCost(parts)),
        child: solution.predicted.throughput,
      }
      await add(solution, withPredictions(evaluation, predicted), round)
    }
    const able = candidates.filter(holds)
    // The measured KL decides, never small differences of time.
    const chosen = (able.length > 0 ? able : candidates).reduce((a, b) =>
      b.evaluation.child.kl < a.evaluation.child.kl ? b : a,
    )
    const choice = chosen.solution.choice.map((own) => ({
      attention: parts.library.get(own.attention)!,
      ffn: parts.library.get(own.ffn)!,
    }))
    const solutionDigest = digestJson({
      parent: context.inputDigests.model,
      layers: choice.map((own) => ({
        attention: { variant: own.attention.variant, weights: own.attention.weights?.digest ?? null },
        ffn: { variant: own.ffn.variant, weights: own.ffn.weights?.digest ?? null },
      })),
    })
    return {
      values: {
        solutionDigest,
        limitsHeld: able.length > 0,
        limits: judge(chosen),
        round: chosen.round,
        predicted: chosen.solution.predicted,
        objective: chosen.solution.objective,
        evaluation: chosen.evaluation,
        layers: choice.map((own) => ({ attention: own.attention.variant, ffn: own.ffn.variant })),
        ...runsOf(chosen.solution),
      },
      files: { selected: await context.put('solution', chosen.solution) },
    }
  },
}

/** The parts of a solution about runs of layers. */
const runsOf = ({ runs, addedUp }: Solution): Pick<Solution, 'runs' | 'addedUp'> => ({
  ...(runs && { runs }),
  ...(addedUp && { addedUp }),
})

/** Tightens each limit on time by the factor by which the prediction was too optimistic, and one per cent. */
function corrected(
  limits: readonly Limit[],
  before: Readonly<Partial<Record<Limit['name'], number>>>,
  { child, parent }: Evaluation,
): Partial<Record<Limit['name'], number>> {
  const next = { ...before }
  for (const limit of limits) {
    const { predicted, measured } = child.throughput
    if (limit.name !== 'throughput' && limit.name !== 'latency') continue
    const own = predicted / measured
    const kindness = limit.unit === 'parent' ? own / (parent.throughput.predicted / parent.throughput.measured) : own
    const factor = Math.max(1.005, kindness * 1.01)
    next[limit.name] = limit.name === 'throughput' ? factor : 1 / factor
  }
  return next
}
