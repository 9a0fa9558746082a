import {
  Failure,
  type ArtifactRef,
  type FanOutStage,
  type Outputs,
  type TaskContext,
  type TaskPlan,
} from '../../api/index.js'
import { loadsAtEach } from '../../puzzle/batch-loads.js'
import { bestBatch, noneFeasible, solveAtEach, unmetBy } from '../../puzzle/best-batch.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { DepthStep } from '../../puzzle/depth-step.js'
import { describeSolution } from '../../puzzle/describe-solution.js'
import type { DepthOutputs, DistillOutputs, ProfileOutputs, ScoreOutputs } from '../../puzzle/hand-over.js'
import { headChoices, headsOf, loadsAtEachHead, type ChosenHead } from '../../puzzle/heads.js'
import { whyInfeasible } from '../../puzzle/infeasible-batches.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { readJson, type LibraryEntry } from '../../puzzle/library.js'
import type { Limit } from '../../puzzle/limit.js'
import { limitsOf } from '../../puzzle/scenarios.js'
import { openParent } from '../../puzzle/parent.js'
import { mostPoints } from '../../spec/limit-range.js'
import { readTables } from '../../puzzle/problem-parts.js'
import type { Composition, ScoreRow } from '../../puzzle/score-row.js'
import { makeProblem, parentLayers, type ProblemParts, type Solution } from '../../puzzle/selection-problem.js'
import {
  describePoint,
  limitsAt,
  measurementOf,
  predictedRatios,
  reachOf,
  type SweepOutputs,
  type SweepPoint,
  type SweptLimit,
} from '../../puzzle/sweep-point.js'

interface SweepParams {
  readonly limit: SweptLimit
  readonly values: readonly number[]
  readonly composition: 'measured' | Composition
  readonly gap: number
  readonly timeLimit: number
}

interface SweepNeeds {
  readonly score: ScoreOutputs
  readonly profile: ProfileOutputs
  readonly distill: DistillOutputs
  readonly depth?: DepthOutputs
}

interface SweepTask {
  readonly params: Pick<SweepParams, 'gap' | 'timeLimit'> & {
    /** All limits, the swept one among them. */
    readonly limits: readonly Limit[]
    readonly swept: SweptLimit
    /** Value of the swept one. */
    readonly value: number
    readonly composition: Composition
    /** Heads to choose from; absent if it is the parent's. */
    readonly heads?: readonly ChosenHead[]
  }
  readonly inputs: {
    readonly scores: ArtifactRef<readonly ScoreRow[]>
    readonly costs: ArtifactRef<CostTable>
    /** At the batches after the first that the search may choose. */
    readonly otherCosts?: ArtifactRef<readonly CostTable[]>
    readonly library: ArtifactRef<readonly LibraryEntry[]>
    readonly depth?: ArtifactRef<readonly DepthStep[]>
  }
  readonly outputs: Outputs<SweepPoint, { readonly solution?: ArtifactRef<Solution> }>
}

/**
 * Solves the selection problem once for each value of a limit. A value that nothing meets is a result, not a failure. There is
 * no safety margin, unlike in `solve`: a margin that is dropped where nothing else helps would make a tighter limit look better.
 */
export const sweep: FanOutStage<SweepParams, SweepNeeds, SweepOutputs, SweepTask, ModelInput & TargetInput> = {
  name: 'sweep',
  version: 1,
  reads: ['model', 'target'],
  taskReads: ['model', 'target.scenario', 'target.choices'],
  partial: true,
  about: { summary: 'Chooses the best child for each of several values of a limit: the points of a curve.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    required: ['limit', 'values'],
    properties: {
      limit: {
        description: 'The limit of `target.limits` that takes several values. `puzzleflow sweep` writes it.',
        type: 'object',
        required: ['name', 'bound', 'unit'],
        additionalProperties: false,
        properties: {
          name: { description: 'Name of the limit.', type: 'string' },
          bound: { description: 'A lower or an upper bound.', enum: ['min', 'max'] },
          unit: { description: '`parent` for multiples of the parent’s value.', type: 'string' },
        },
      },
      values: {
        description: 'Its values, one for each point.',
        type: 'array',
        minItems: 1,
        maxItems: mostPoints,
        reason: 'each one is solved and measured',
        items: { type: 'number', exclusiveMinimum: 0, maximum: 1e18 },
      },
      composition: {
        enum: ['measured', 'sum', 'rss'],
        default: 'measured',
        description: 'As in `solve`.',
      },
      gap: { description: 'As in `solve`.', type: 'number', minimum: 0, maximum: 1, default: 0.0001 },
      timeLimit: {
        quantity: 'duration',
        exclusiveMinimum: 0,
        maximum: 86_400,
        default: 60,
        description: 'As in `solve`.',
      },
    },
  },

  plan({ params, stages, spec }) {
    const { limit: swept, values, gap, timeLimit } = params
    if (spec.target.scenarios)
      throw new Failure('InvalidInput', 'A sweep is for one scenario, but the target has several', {
        remedy: 'Write one of `target.scenarios` as `target.scenario`, and its limits as `target.limits`.',
      })
    const composition = params.composition === 'measured' ? stages.score.values.composition : params.composition
    const { heads: kinds } = stages.profile.values
    const heads = kinds && headChoices(kinds, stages.score.values.heads)
    const inputs: SweepTask['inputs'] = {
      scores: stages.score.files.scores,
      costs: stages.profile.files.costs,
      ...(stages.profile.files.otherCosts && { otherCosts: stages.profile.files.otherCosts }),
      library: stages.distill.files.library,
      ...(stages.depth?.files.depth && { depth: stages.depth.files.depth }),
    }
    const tasks = values.map((value): TaskPlan<SweepTask['params'], SweepTask['inputs']> => ({
      id: `${swept.name}-${value}`,
      label: describePoint(swept, value),
      group: 'points',
      params: {
        ...{ limits: limitsAt(limitsOf(spec.target), swept, value), swept, value, composition, gap, timeLimit },
        ...(heads && { heads }),
      },
      inputs,
    }))
    return Promise.resolve(tasks)
  },

  async run(context) {
    const { swept, value, gap, timeLimit } = context.task.params
    const solved = await solveAtEach(await partsAtEach(context), (parts) => ({
      ...makeProblem(parts, { solutions: 1, minimumDifference: 0, gap, seed: context.seed }),
      timeLimitSeconds: timeLimit,
    }))
    if (noneFeasible(solved))
      return { values: { status: 'infeasible', value, reason: whyInfeasible(solved.map(unmetBy)) }, files: {} }
    const best = bestBatch(solved)
    if (!best)
      throw new Failure(
        'TaskFailed',
        `The solver found no child with ${describePoint(swept, value)} within ${timeLimit} s, but has not proved that there is none`,
        { remedy: 'Give it more time: stages.solve.timeLimit. Or skip this point.' },
      )
    const { parts } = best
    const [proof, solution] = [best.result.solutions[0]!, best.solutions[0]!]
    const limit = parts.limits.find(({ name }) => name === swept.name)!
    return {
      values: {
        status: proof.status,
        value,
        bound: proof.bound,
        gap: proof.gap,
        reaches: reachOf(limit, parts, solution),
        ratios: predictedRatios(parts, solution),
        ...describeSolution(solution, parts.library, context.inputDigests.model!),
      },
      files: { solution: await context.put('solution', solution) },
    }
  },

  /** Lists each child once, however many points have it at the same batches. */
  async gather(context) {
    const children = new Map<string, Solution>()
    for (const { outputs } of context.tasks)
      if (outputs.values.status !== 'infeasible' && outputs.files.solution)
        children.set(measurementOf(outputs.values), await readJson(context, outputs.files.solution))
    return {
      values: {
        points: context.tasks.map(({ outputs }) => outputs.values),
        ...(context.skipped.length > 0 && { leftOut: context.skipped }),
      },
      files: { children: await context.put('children', [...children.values()]) },
    }
  },
}

/** What the problem is made from at each batch that may be chosen. */
async function partsAtEach(
  context: TaskContext<SweepTask, ModelInput & TargetInput>,
): Promise<readonly ProblemParts[]> {
  const { params, inputs } = context.task
  const { target } = context.spec
  const entries = await readJson(context, inputs.library)
  const tables = await readTables(context, inputs)
  const parent = parentLayers(await openParent(context))
  const common = {
    rows: await readJson(context, inputs.scores),
    composition: params.composition,
    library: new Map(entries.map((entry) => [entry.id, entry])),
    ...(inputs.depth && { depth: await readJson(context, inputs.depth) }),
    limits: params.limits,
    rules: target.choices ?? [],
    parent,
  }
  const { loads } = loadsAtEach(target, tables, params.limits, parent)
  return loadsAtEachHead(loads, params.heads ?? headsOf()).map((own) => ({ ...common, ...own }))
}
