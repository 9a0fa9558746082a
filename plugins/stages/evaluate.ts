import {
  Failure,
  type ArtifactRef,
  type FanOutStage,
  type Files,
  type Outputs,
  type StageContext,
  type TaskPlan,
} from '../../api/index.js'
import { measuringBytes } from '../../puzzle/estimates/memory.js'
import type {
  Described,
  DistillOutputs,
  EvaluateOutputs,
  ImproveOutputs,
  PrepareOutputs,
  ProfileOutputs,
  RefineOutputs,
  SelectOutputs,
  SolveOutputs,
  UptrainOutputs,
} from '../../puzzle/hand-over.js'
import type { HeadWeights } from '../../model/index.js'
import type { PairScenario } from '../../puzzle/batches.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { servedChild } from '../../puzzle/child.js'
import { describeSolution } from '../../puzzle/describe-solution.js'
import { evaluationsWork } from '../../puzzle/estimates/evaluations.js'
import { expectedReading } from '../../puzzle/estimates/reading.js'
import { decided } from '../../puzzle/judge-limits.js'
import { joined, timer, timing, type PairedPasses, type TimingAsked, type TimingParams } from '../../puzzle/speed.js'
import { asTask, assemble, chosenEntries, readJson, type Filling } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import { encodePrompts } from '../../data/prompts.js'
import type { Limit } from '../../puzzle/limit.js'
import {
  evaluatePair,
  examineParent,
  openYardstick,
  thoroughness,
  withPredictions,
  type Evaluation,
  type Measured,
  type Thoroughness,
} from '../../puzzle/evaluation.js'
import { openParent } from '../../puzzle/parent.js'
import { listingOf, mostListed } from '../../puzzle/paired-task.js'
import { costParts } from '../../puzzle/problem-parts.js'
import { predictedSpeeds } from '../../puzzle/predicted-speeds.js'
import { limitsOf, scenariosOf, withThreads } from '../../puzzle/scenarios.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import { mostShown, shownTexts } from '../../puzzle/shown-texts.js'
import { servedAt, withServedAt, withTiming } from '../../puzzle/served.js'
import { measurementOf, type SweepOutputs } from '../../puzzle/sweep-point.js'

interface EvaluateParams extends Thoroughness, TimingAsked {
  readonly of: 'solutions' | 'child' | 'points'
  readonly split: 'validation' | 'test'
  readonly texts?: number
  /** A file. */
  readonly prompts?: string
}

interface TaskParams extends Omit<EvaluateParams, 'of' | 'split' | 'prompts' | keyof TimingParams>, TimingParams {
  readonly fillings: readonly Filling[]
  /** Type of the head; absent if it is the parent's. */
  readonly head?: HeadWeights
  /** Limits that the child is timed for until they are decided. */
  readonly limits?: readonly Limit[]
  /** Largest number of items that are listed of each task. */
  readonly listed?: number
  /** Passes of the same child in earlier sessions. */
  readonly timed?: PairedPasses
  /** The same in the scenarios after the first. */
  readonly timedOthers?: readonly PairedPasses[]
  /** Those of `target.scenarios`, without names, or `target.scenario` at the batches that were chosen; absent if the target has
   *  only `target.scenario` and leaves no choice. */
  readonly scenarios?: readonly PairScenario[]
  /** Prompts to continue, as token ids. */
  readonly prompts?: readonly (readonly number[])[]
}

interface EvaluateNeeds {
  readonly prepare: PrepareOutputs
  readonly profile: ProfileOutputs
  readonly distill: DistillOutputs
  /** Needed with `of: solutions`. */
  readonly solve?: SolveOutputs
  /** Its solutions take the place of those of `solve`. */
  readonly refine?: RefineOutputs
  /** Needed with `of: points`. */
  readonly sweep?: SweepOutputs
  /** Needed with `of: child`. */
  readonly select?: SelectOutputs
  readonly uptrain?: UptrainOutputs
  readonly 'check-child'?: EvaluateOutputs
  readonly improve?: ImproveOutputs
}

interface EvaluateTask {
  readonly params: TaskParams
  /** Weights by entry, weights of an uptrained child, and the text and tasks to measure with. */
  readonly inputs: Files & Pick<PrepareOutputs['files'], 'validate' | 'tasks'> & { readonly child?: ArtifactRef }
  readonly outputs: Outputs<Evaluation<Measured>, EvaluateOutputs['files']>
}

/** Measures assembled children: KL, perplexity, task accuracy, and throughput in the same run as the parent's. */
export const evaluate: FanOutStage<
  EvaluateParams,
  EvaluateNeeds,
  EvaluateOutputs,
  EvaluateTask,
  ModelInput & TargetInput
> = {
  name: 'evaluate',
  // 6: parent and child are timed in pairs, all of which count, and compared item by item; the final child is measured on the
  // test split. 7: passes tell prefill from decoding. 8: KL and answers are summed over tiles of the vocabulary.
  version: 8,
  reads: ['model', 'target'],
  taskReads: ['model', 'target.scenario'],
  exclusive: true,
  about: { summary: 'Measures whole children: KL, perplexity, accuracy, speed and memory, compared with the parent.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      of: {
        enum: ['solutions', 'child', 'points'],
        default: 'solutions',
        description: 'What to measure: the solutions of `solve`, the trained child, or the children of a `sweep`.',
      },
      split: {
        enum: ['validation', 'test'],
        default: 'validation',
        description:
          'The data to measure on: the split by which the search chooses, or the one that only the final evaluation reads.',
      },
      ...timing,
      retime: {
        ...timing.retime,
        description: `${timing.retime.description} With \`of: solutions\`, \`select\` does the doubling.`,
      },
      ...thoroughness,
      // Without a default, so that evaluations that show none keep their keys.
      texts: {
        type: 'integer',
        minimum: 0,
        maximum: mostShown,
        description:
          'Number of texts that parent and child continue for people to read, and of lost and won items of each task that are shown with both answers. Default: none.',
      },
      prompts: {
        type: 'string',
        format: 'file',
        description:
          'A file of prompts that parent and child continue for people to read: one per line (.txt), or a file like those of `data`. At most 100, of at most 512 tokens each. Default: none.',
      },
    },
  },

  async resources({ params, ...context }) {
    const model = await openParent(context)
    const read = await expectedReading(context, model)
    if (!read) return {}
    const { solutions = 1 } = (context.stages.solve ?? {}) as { solutions?: number }
    const tasks = params.of === 'solutions' ? solutions : 1
    const { taskItems = Infinity } = (context.stages.prepare ?? {}) as { taskItems?: number }
    const thorough = { ...withThreads(params, context.spec.target), items: Math.min(params.items, taskItems) }
    const split = params.split === 'test' ? 'test' : 'validate'
    const memory = measuringBytes(model, Math.min(params.sequences, read[split]), read.length)
    return { tasks, memory, work: evaluationsWork(model, thorough, read, tasks, split) }
  },

  async plan(context) {
    const { params, stages, spec } = context
    const library = await readLibrary(context)
    const model = await openParent(context)
    const { repetitions, retime, items, sequences, split, texts = 0 } = params
    const { threads } = withThreads(params, spec.target)
    const { validate, tasks, test = validate, testTasks = tasks } = stages.prepare.files
    const measured = split === 'test' ? { validate: test, tasks: testTasks } : { validate, tasks }
    const prompts = params.prompts && (await encodePrompts(params.prompts, model))
    const ofChild = params.of === 'child'
    // Without uptraining, the child is measured as selected.
    const trained = ofChild ? (stages.improve?.files.child ?? stages.uptrain?.files.child) : undefined
    const before = stages.improve?.values.child?.evaluation ?? stages['check-child']?.values.evaluations[0]
    const solutions = await measuredSolutions(context)
    return solutions.map((solution, i): TaskPlan<TaskParams, EvaluateTask['inputs']> => {
      const scenarios =
        (spec.target.scenarios ?? solution.batches) &&
        scenariosOf(spec.target, solution.batches).map(({ scenario }) => scenario)
      const { fillings, inputs } = asTask(chosenEntries(library, solution.choice))
      // Measurements of solutions do not depend on the limits: if those change, only `solve` and `select` run again.
      const judged = ofChild
        ? { limits: limitsOf(spec.target), listed: mostListed, ...(before && earlierPasses(before)) }
        : {}
      return {
        ...nameOf(params.of, i, solutions.length, () =>
          describeSolution(solution, library, context.inputDigests.model!),
        ),
        group: 'solutions',
        memory: measuringBytes(model, sequences, stages.prepare.values.sequenceLength),
        params: {
          fillings,
          ...(solution.head && { head: solution.head }),
          repetitions,
          retime,
          items,
          sequences,
          threads,
          ...(scenarios && { scenarios }),
          ...(texts > 0 && { texts }),
          ...(prompts && { prompts }),
          ...judged,
        },
        inputs: { ...inputs, ...(trained && { child: trained }), ...measured },
      }
    })
  },

  async run(context) {
    const { task, spec } = context
    const params = task.params
    const scenarios = params.scenarios ?? scenariosOf(spec.target).map(({ scenario }) => scenario)
    const model = await openParent(context)
    const yardstick = await openYardstick(context, model, task.inputs, scenarios, params)
    const assembled = assemble(model, params.fillings, task.inputs, context)
    const child = await servedChild(assembled, task.inputs.child, params.head, context)
    context.progress(0, 'the parent')
    const parent = await examineParent(yardstick, (f, m) => context.progress(f * 0.45, `parent, ${m}`))
    // Items of solutions, of which there are many, are only counted.
    const listing = params.listed === undefined ? undefined : listingOf(yardstick, params.listed)
    const after = (f: number, m: string) => context.progress(0.45 + f * 0.45, `child, ${m}`)
    const evaluation = await evaluatePair(yardstick, parent, child, params, after, listing)
    const earlier = params.timed ? [params.timed, ...(params.timedOthers ?? [])] : []
    const all = earlier.reduce((now, passes, i) => {
      const own = servedAt(now, i)
      return withServedAt(now, i, withTiming(own, scenarios[i]!, joined(passes, own.timing)))
    }, evaluation)
    const { limits = [] } = params
    const timed = await decided(
      all,
      timer(() => [model, child], params.threads),
      scenarios,
      { ...params, limits },
      (message) => context.progress(0.9, message),
    )
    if (params.texts === undefined && !params.prompts) return { values: timed, files: {} }
    context.progress(0.98, 'texts')
    const texts = await shownTexts(yardstick, child, evaluation.paired ?? {}, params.texts ?? 0, params.prompts)
    return { values: timed, files: texts ? { texts: await context.put('texts', texts) } : {} }
  },

  /** Adds predictions here, not in the tasks: a new prediction must not cause new measurements. */
  async gather(context) {
    const solutions = await measuredSolutions(context)
    const partsAt = await costParts(context)
    const evaluations = context.tasks.map(({ outputs }, i) =>
      withPredictions(outputs.values, predictedSpeeds(partsAt(solutions[i]!), solutions[i]!)),
    )
    const [texts] = context.tasks.flatMap(({ outputs }) => outputs.files.texts ?? [])
    return { values: { evaluations }, files: texts ? { texts } : {} }
  },
}

/** Passes that count with those to come. */
const earlierPasses = ({ timing, others }: Evaluation<Measured>) => ({
  timed: timing,
  ...(others && { timedOthers: others.map((own) => own.timing) }),
})

/** Id and label of a child's task. Children of a sweep are told apart by themselves, so that other sweeps reuse them. */
function nameOf(
  of: EvaluateParams['of'],
  i: number,
  count: number,
  describe: () => Described,
): Pick<TaskPlan, 'id' | 'label'> {
  switch (of) {
    case 'child':
      return { id: 'child', label: 'the uptrained child' }
    case 'solutions':
      return { id: `solution-${i + 1}`, label: `solution ${i + 1} of ${count}` }
    case 'points':
      return { id: measurementOf(describe()), label: `child ${i + 1} of ${count}` }
  }
}

/** The solutions of the pool, the children of the sweep, or the selected solution. */
async function measuredSolutions(
  context: StageContext<EvaluateParams, EvaluateNeeds, object>,
): Promise<readonly Solution[]> {
  const { params, stages } = context
  if (params.of === 'child')
    return [await readJson(context, stages.improve?.files.selected ?? needed(stages, 'select').files.selected)]
  if (params.of === 'points') return readJson(context, needed(stages, 'sweep').files.children)
  return (await readJson(context, stages.refine?.files.solutions ?? needed(stages, 'solve').files.solutions)).solutions
}

/** Returns the outputs of a stage that the measurements need.
 *  @throws Failure InvalidInput if the pipeline does not provide them */
function needed<K extends keyof EvaluateNeeds>(stages: EvaluateNeeds, name: K): NonNullable<EvaluateNeeds[K]> {
  const outputs = stages[name]
  if (!outputs)
    throw new Failure('InvalidInput', `evaluate needs the outputs of the stage ${name}`, {
      remedy: `Add ${name} to the \`needs:\` of this stage in the pipeline.`,
    })
  return outputs
}
