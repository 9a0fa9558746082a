import type { SingleStage } from '../../api/index.js'
import { withHead } from '../../model/index.js'
import { openBytes, pairBytes } from '../../puzzle/estimates/memory.js'
import type {
  BaseOutputs,
  DepthOutputs,
  DistillOutputs,
  EvaluateOutputs,
  PrepareOutputs,
  ProfileOutputs,
  RefineOutputs,
  ScoreOutputs,
  SelectOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { childMeter } from '../../puzzle/child-meter.js'
import { corrected, type Correction } from '../../puzzle/correction.js'
import { describeSolution } from '../../puzzle/describe-solution.js'
import { childShare } from '../../puzzle/estimates/flops.js'
import { decided, judgeLimits, shortfall, tightened } from '../../puzzle/judge-limits.js'
import { chosenModel, readJson } from '../../puzzle/library.js'
import { thoroughness, type Evaluation, type Thoroughness } from '../../puzzle/evaluation.js'
import { openParent } from '../../puzzle/parent.js'
import { problemParts } from '../../puzzle/problem-parts.js'
import { scenariosIn } from '../../puzzle/loads.js'
import { limitsOf, withThreads } from '../../puzzle/scenarios.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import { solveAgain } from '../../puzzle/solve-again.js'
import { mostPairs, timer, timing, type TimingAsked } from '../../puzzle/speed.js'
import { nearest } from '../../puzzle/verdict.js'

interface SelectParams extends Thoroughness, TimingAsked {
  readonly rounds: number
  readonly headroom: number
}

/** A measured solution, and the number of the corrected solve that it comes from; 0 for the pool. */
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
  readonly refine?: RefineOutputs
  readonly evaluate: EvaluateOutputs
  readonly base?: BaseOutputs
}

/**
 * Selects the solution with the least KL among those that meet the limits as measured, those on time with some headroom: the
 * child is measured once more at the end. If none meets them, the limits are corrected by predicted / measured and the problem
 * is solved again.
 */
export const select: SingleStage<SelectParams, SelectNeeds, SelectOutputs, ModelInput & TargetInput> = {
  name: 'select',
  // 7: limits on time are decided by a sequential test, with headroom; evaluations have standard errors and compare parent and
  // child item by item; the solver's labels. 8: limits on prefill and token latency. 9: children that will hardly be shown to meet
  // a limit are given up early, and limits are corrected by the width of intervals, too. 10: by a quarter at most.
  version: 10,
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
      rounds: {
        type: 'integer',
        minimum: 0,
        maximum: 100,
        reason: 'each one measures the children that it proposes',
        default: 3,
        description: 'Maximum number of corrected solves.',
      },
      headroom: {
        quantity: 'fraction',
        default: 0.01,
        description:
          'Margin by which a selected child must meet the limits on time, so that it still meets them when it is measured at the end.',
      },
      ...timing,
      ...thoroughness,
    },
  },

  /** One child is near the limits, and timed with twice as many pairs: that is usual. */
  async resources({ params, ...context }) {
    const model = await openParent(context)
    return {
      memory: openBytes(model) + pairBytes(model),
      work: {
        passes: params.repetitions * (1 + childShare),
        passThreads: withThreads(params, context.spec.target).threads,
      },
    }
  },

  async run(context) {
    const { stages, spec, seed } = context
    const params = withThreads(context.params, spec.target)
    const limits = limitsOf(spec.target)
    const outcome = await readJson(context, stages.refine?.files.solutions ?? stages.solve.files.solutions)
    const parts = await problemParts(context, outcome.composition, outcome)
    const scenarios = scenariosIn(parts)
    const measured = stages.evaluate.values.evaluations
    const model = await openParent(context)
    const childOf = ({ choice, head }: Solution) =>
      withHead(chosenModel(model, parts.library, choice, context).child, head)
    const aim = limits.map((limit) => tightened(limit, params.headroom))
    const candidates: Candidate[] = []
    const add = async (solution: Solution, evaluation: Evaluation, round: number) => {
      const deciding = { ...params, limits: aim, giveUp: true }
      const timed = await decided(
        evaluation,
        timer(() => [model, childOf(solution)], params.threads),
        scenarios,
        deciding,
        (message) => context.progress(0, `candidate ${candidates.length + 1}: ${message}`),
      )
      candidates.push({ solution, evaluation: timed, round })
    }
    const missed = ({ evaluation }: Candidate) => shortfall(judgeLimits(aim, scenarios, evaluation))
    const holds = (candidate: Candidate) => missed(candidate) === 0
    // The measured KL decides, never small differences of time: the first that holds is the best that does.
    const pool = outcome.solutions.map((solution, i) => ({ solution, evaluation: measured[i]! }))
    for (const { solution, evaluation } of pool.sort((a, b) => a.evaluation.child.kl - b.evaluation.child.kl))
      if (!candidates.some(holds)) await add(solution, evaluation, 0)

    const measure = childMeter(context, model, parts, stages.prepare.files, params)
    const most = mostPairs(params)
    let correction: Correction = {}
    for (let round = 1; round <= params.rounds && !candidates.some(holds); round++) {
      const from = round === 1 ? candidates[0]! : candidates.at(-1)!
      correction = corrected(limits, correction, from.evaluation, scenarios, most)
      context.progress(
        round / (params.rounds + 1),
        `no solution meets the limits as measured: solving again, round ${round}`,
      )
      // What is solved for is what candidates are judged by, headroom included.
      const solution = await solveAgain({ ...parts, limits: aim }, correction, seed)
      if (!solution) break
      await add(solution, await measure(childOf(solution), solution), round)
    }
    const chosen = nearest(candidates, missed)
    const judged = judgeLimits(limits, scenarios, chosen.evaluation)
    return {
      values: {
        ...describeSolution(chosen.solution, parts.library, context.inputDigests.model!),
        limitsHeld: judged.every(({ held }) => held),
        limits: judged,
        round: chosen.round,
        evaluation: chosen.evaluation,
      },
      files: { selected: await context.put('solution', chosen.solution) },
    }
  },
}
