import type { Scenario } from '../../model/index.js'
import type { FanOutStage, JsonObject, TaskPlan } from '../../api/index.js'
import { readChild } from '../../puzzle/child.js'
import { throughputOf } from '../../puzzle/costs.js'
import { retime, retimed } from '../../puzzle/judge-limits.js'
import { asTask, assemble, chosenEntries, readJson, readLibrary, type Filling } from '../../puzzle/library.js'
import { limitsOf, type Limit } from '../../puzzle/limits.js'
import {
  evaluatePair,
  measureQuality,
  openYardstick,
  thoroughness,
  withPredictions,
  type Evaluation,
  type Measured,
  type Thoroughness,
} from '../../puzzle/evaluation.js'
import { openParent } from '../../puzzle/parent.js'
import { costParts } from '../../puzzle/problem-parts.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import { parentCost, type Solution } from '../../puzzle/selection-problem.js'

interface EvaluateParams extends Thoroughness {
  readonly of: 'solutions' | 'child'
  readonly repetitions: number
  readonly retime: number
}

interface TaskParams extends Omit<EvaluateParams, 'of' | 'retime'> {
  readonly fillings: readonly Filling[]
  readonly limits?: readonly Limit[]
  readonly retime?: number
}

/** Measures assembled children: KL, perplexity, task accuracy, and generation throughput beside the parent's in one run. */
export const evaluate: FanOutStage<EvaluateParams> = {
  name: 'evaluate',
  version: 5,
  reads: ['model', 'target'],
  taskReads: ['model', 'target.scenario'],
  exclusive: true,
  about: { summary: 'Measures whole children: KL, perplexity, accuracy, speed and memory, beside the parent.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      of: {
        enum: ['solutions', 'child'],
        default: 'solutions',
        description: 'What is measured: the pool of `solve`, or the uptrained child.',
      },
      repetitions: {
        type: 'integer',
        minimum: 1,
        default: 5,
        description: 'Timed passes of parent and child in turn; the median counts.',
      },
      retime: { ...retime, description: `${retime.description} For \`of: child\`; of the pool, \`select\` does it.` },
      ...thoroughness,
    },
  },

  async plan(context) {
    const { params, stages, spec } = context
    const library = await readLibrary(context)
    const { repetitions, items, sequences, threads } = params
    const { validate, tasks } = stages.prepare!.files as Required<TaskPlan['inputs']>
    const solutions = await measuredSolutions(context)
    return solutions.map((solution, i): TaskPlan => {
      const { fillings, inputs } = asTask(chosenEntries(library, solution.choice))
      const child = params.of === 'child' ? { child: stages.uptrain!.files.child! } : {}
      // Solutions are measured whatever the limits are: others only solve and select again.
      const judged =
        params.of === 'child' ? { limits: limitsOf(spec) as unknown as JsonObject[], retime: params.retime } : {}
      return {
        id: params.of === 'child' ? 'child' : `solution-${i + 1}`,
        label: params.of === 'child' ? 'the uptrained child' : `solution ${i + 1} of ${solutions.length}`,
        group: 'solutions',
        params: { fillings, repetitions, items, sequences, threads, ...judged },
        inputs: { ...inputs, ...child, validate: validate!, tasks: tasks! },
      }
    })
  },

  async run(context) {
    const { task, spec } = context
    const own = task.params as unknown as TaskParams
    const scenario = (spec.target as { scenario: JsonObject }).scenario as unknown as Scenario
    const model = await openParent(context)
    const yardstick = await openYardstick(context, model, task.inputs, scenario, own)
    const assembled = assemble(model, own.fillings, task.inputs, context)
    const trained = task.inputs.child
    const child = trained ? await readChild(assembled, await context.open(trained)) : assembled
    context.progress(0, 'the parent')
    const parent = await measureQuality(model, yardstick, (f, m) => context.progress(f * 0.45, `parent, ${m}`))
    const evaluation = await evaluatePair(yardstick, parent, child, own.repetitions, (f, m) =>
      context.progress(0.5 + f * 0.4, `child, ${m}`),
    )
    const { limits = [], retime: most = 0 } = own
    const again = (session: number) => context.progress(0.9, `timing it again, session ${session}`)
    const timed = await retimed(evaluation, () => [model, child], scenario, { ...own, limits, retime: most }, again)
    return { values: timed as unknown as JsonObject, files: {} }
  },

  /** Measured beside predicted: a new prediction is no reason to measure again. */
  async gather(context) {
    const solutions = await measuredSolutions(context)
    const parts = await costParts(context)
    const parent = throughputOf(parts.scenario, parentCost(parts))
    const evaluations = context.tasks.map(({ outputs }, i) =>
      withPredictions(outputs.values as unknown as Evaluation<Measured>, {
        parent,
        child: solutions[i]!.predicted.throughput,
      }),
    )
    return { values: { evaluations: evaluations as unknown as JsonObject[] }, files: {} }
  },
}

/** The pool, or the one that was selected. */
async function measuredSolutions(context: Parameters<typeof evaluate.plan>[0]): Promise<readonly Solution[]> {
  const { params, stages } = context
  if (params.of === 'child') return [await readJson<Solution>(context, stages.select!.files.selected!)]
  return (await readJson<SolveOutcome>(context, stages.solve!.files.solutions!)).solutions
}
