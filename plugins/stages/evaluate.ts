import {
  Failure,
  type ArtifactRef,
  type FanOutStage,
  type Files,
  type Outputs,
  type StageContext,
  type TaskPlan,
} from '../../api/index.js'
import type {
  DistillOutputs,
  EvaluateOutputs,
  PrepareOutputs,
  ProfileOutputs,
  SelectOutputs,
  SolveOutputs,
  UptrainOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { readChild } from '../../puzzle/child.js'
import { throughputOf } from '../../puzzle/costs.js'
import { retimed, timing, type TimingParams } from '../../puzzle/judge-limits.js'
import { asTask, assemble, chosenEntries, readJson, type Filling } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import type { Limit } from '../../puzzle/limit.js'
import { limitsOf } from '../../puzzle/limits.js'
import {
  evaluatePair,
  examine,
  openYardstick,
  thoroughness,
  withPredictions,
  type Evaluation,
  type Measured,
  type Thoroughness,
} from '../../puzzle/evaluation.js'
import { openParent } from '../../puzzle/parent.js'
import { listingOf } from '../../puzzle/paired-task.js'
import { costParts } from '../../puzzle/problem-parts.js'
import { parentCost, type Solution } from '../../puzzle/selection-problem.js'

interface EvaluateParams extends Thoroughness, TimingParams {
  readonly of: 'solutions' | 'child'
}

interface TaskParams extends Omit<EvaluateParams, 'of' | 'retime'> {
  readonly fillings: readonly Filling[]
  readonly limits?: readonly Limit[]
  readonly retime?: number
  /** Most items that are listed of each task. */
  readonly listed?: number
}

/** Most items of a task that are listed as won, and as lost. */
const mostListed = 20

interface EvaluateNeeds {
  readonly prepare: PrepareOutputs
  readonly profile: ProfileOutputs
  readonly distill: DistillOutputs
  /** `of: solutions`. */
  readonly solve?: SolveOutputs
  /** `of: child`. */
  readonly select?: SelectOutputs
  readonly uptrain?: UptrainOutputs
}

interface EvaluateTask {
  readonly params: TaskParams
  /** Weights by entry, those of an uptrained child, and what it is measured with. */
  readonly inputs: Files & Pick<PrepareOutputs['files'], 'validate' | 'tasks'> & { readonly child?: ArtifactRef }
  readonly outputs: Outputs<Evaluation<Measured>, object>
}

/** Measures assembled children: KL, perplexity, task accuracy, and generation throughput beside the parent's in one run. */
export const evaluate: FanOutStage<
  EvaluateParams,
  EvaluateNeeds,
  EvaluateOutputs,
  EvaluateTask,
  ModelInput & TargetInput
> = {
  name: 'evaluate',
  // 6: the child is measured on the test split, and compared with the parent item by item.
  version: 6,
  reads: ['model', 'target'],
  taskReads: ['model', 'target.scenario'],
  exclusive: true,
  about: { summary: 'Measures whole children: KL, perplexity, accuracy, speed and memory, compared with the parent.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      of: {
        enum: ['solutions', 'child'],
        default: 'solutions',
        description: 'What to measure: the solutions of `solve`, or the uptrained child.',
      },
      ...timing,
      retime: {
        ...timing.retime,
        description: `${timing.retime.description} Only with \`of: child\`; \`select\` does this for the pool.`,
      },
      ...thoroughness,
    },
  },

  async plan(context) {
    const { params, stages, spec } = context
    const library = await readLibrary(context)
    const { repetitions, items, sequences, threads } = params
    const { validate, tasks, test = validate, testTasks = tasks } = stages.prepare.files
    // The search chooses by the one, and what it has chosen is told by the other.
    const measured = params.of === 'child' ? { validate: test, tasks: testTasks } : { validate, tasks }
    const solutions = await measuredSolutions(context)
    return solutions.map((solution, i): TaskPlan<TaskParams, EvaluateTask['inputs']> => {
      const { fillings, inputs } = asTask(chosenEntries(library, solution.choice))
      const child = params.of === 'child' ? { child: needed(stages, 'uptrain').files.child } : {}
      // Solutions are measured whatever the limits are: others only solve and select again.
      const judged =
        params.of === 'child' ? { limits: limitsOf(spec.target), retime: params.retime, listed: mostListed } : {}
      return {
        id: params.of === 'child' ? 'child' : `solution-${i + 1}`,
        label: params.of === 'child' ? 'the uptrained child' : `solution ${i + 1} of ${solutions.length}`,
        group: 'solutions',
        params: { fillings, repetitions, items, sequences, threads, ...judged },
        inputs: { ...inputs, ...child, ...measured },
      }
    })
  },

  async run(context) {
    const { task, spec } = context
    const own = task.params
    const { scenario } = spec.target
    const model = await openParent(context)
    const yardstick = await openYardstick(context, model, task.inputs, scenario, own)
    const assembled = assemble(model, own.fillings, task.inputs, context)
    const trained = task.inputs.child
    const child = trained ? await readChild(assembled, await context.open(trained)) : assembled
    context.progress(0, 'the parent')
    const parent = await examine(model, yardstick, (f, m) => context.progress(f * 0.45, `parent, ${m}`))
    const after = (f: number, m: string) => context.progress(0.5 + f * 0.4, `child, ${m}`)
    // Solutions are many, and only counted.
    const listing = own.listed === undefined ? undefined : listingOf(yardstick, own.listed)
    const evaluation = await evaluatePair(yardstick, parent, child, own.repetitions, after, listing)
    const { limits = [], retime: most = 0 } = own
    const again = (session: number) => context.progress(0.9, `timing again, session ${session}`)
    const timed = await retimed(evaluation, () => [model, child], scenario, { ...own, limits, retime: most }, again)
    return { values: timed, files: {} }
  },

  /** Adds predictions here, not in the tasks: a new prediction must not cause new measurements. */
  async gather(context) {
    const solutions = await measuredSolutions(context)
    const parts = await costParts(context)
    const parent = throughputOf(parts.scenario, parentCost(parts))
    const evaluations = context.tasks.map(({ outputs }, i) =>
      withPredictions(outputs.values, {
        parent,
        child: solutions[i]!.predicted.throughput,
      }),
    )
    return { values: { evaluations }, files: {} }
  },
}

/** The pool, or the one that was selected. */
async function measuredSolutions(
  context: StageContext<EvaluateParams, EvaluateNeeds, object>,
): Promise<readonly Solution[]> {
  const { params, stages } = context
  if (params.of === 'child') return [await readJson(context, needed(stages, 'select').files.selected)]
  return (await readJson(context, needed(stages, 'solve').files.solutions)).solutions
}

/** Outputs of a stage that what is measured comes from. @throws Failure InvalidInput when the pipeline does not give them */
function needed<K extends keyof EvaluateNeeds>(stages: EvaluateNeeds, name: K): NonNullable<EvaluateNeeds[K]> {
  const outputs = stages[name]
  if (!outputs)
    throw new Failure('InvalidInput', `evaluate needs the outputs of the stage ${name}`, {
      remedy: `Add ${name} to the \`needs:\` of this stage in the pipeline.`,
    })
  return outputs
}
