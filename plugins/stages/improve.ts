import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactRef, SingleStage } from '../../api/index.js'
import { withHead } from '../../model/index.js'
import { readSequences } from '../../data/sequences.js'
import { writeWhole } from '../../store/files.js'
import type {
  Attempt,
  BaseOutputs,
  DepthOutputs,
  DistillOutputs,
  EvaluateOutputs,
  ImproveOutputs,
  PrepareOutputs,
  ProfileOutputs,
  RefineOutputs,
  ScoreOutputs,
  SelectOutputs,
  SolveOutputs,
  UptrainOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { readChild } from '../../puzzle/child.js'
import { childMeter } from '../../puzzle/child-meter.js'
import { parameterCount } from '../../puzzle/costs.js'
import { childShare } from '../../puzzle/estimates/flops.js'
import { expectedReading } from '../../puzzle/estimates/reading.js'
import { uptrainingSizes } from '../../puzzle/estimates/uptraining-sizes.js'
import { describeSolution } from '../../puzzle/describe-solution.js'
import { decided } from '../../puzzle/judge-limits.js'
import { chosenModel, readJson } from '../../puzzle/library.js'
import { scenariosIn } from '../../puzzle/loads.js'
import { thoroughness, type Evaluation, type Thoroughness } from '../../puzzle/evaluation.js'
import { openParent } from '../../puzzle/parent.js'
import { problemParts } from '../../puzzle/problem-parts.js'
import { accuracyError, qualityBounds, withQualityHeadroom } from '../../puzzle/quality.js'
import type { Solution } from '../../puzzle/selection-problem.js'
import { withThreads } from '../../puzzle/scenarios.js'
import { remedyFor, type Remedy } from '../../puzzle/remedy.js'
import { timer, timing, type TimingAsked } from '../../puzzle/speed.js'
import type { CurvePoint } from '../../puzzle/train-with-checkpoints.js'
import { mannerOf } from '../../puzzle/uptrain-params.js'
import { uptrainChild } from '../../puzzle/uptraining.js'
import { judge, missed, nearest } from '../../puzzle/verdict.js'

interface ImproveParams extends Thoroughness, TimingAsked {
  readonly attempts: number
  readonly trainOn: number
  readonly headroom: number
  readonly errors: number
}

interface ImproveNeeds {
  readonly prepare: PrepareOutputs
  readonly profile: ProfileOutputs
  readonly distill: DistillOutputs
  readonly depth?: DepthOutputs
  readonly score: ScoreOutputs
  readonly solve: SolveOutputs
  readonly refine?: RefineOutputs
  readonly evaluate: EvaluateOutputs
  readonly select: SelectOutputs
  readonly uptrain?: UptrainOutputs
  readonly 'check-child'?: EvaluateOutputs
  readonly base?: BaseOutputs
}

/** Learning rate of a training that goes on, as a share of the first one's: at the full rate, it first loses what the end of the
 *  first one won. */
const laterRate = 1 / 3

/** A trained child. */
interface Trained {
  readonly solution: Solution
  readonly evaluation: Evaluation
  readonly curve: readonly CurvePoint[]
  /** Its weights: those of `uptrain`, or a file of this stage's checkpoint. */
  readonly weights: ArtifactRef | string
}

/**
 * Tries again if the trained child misses a limit or the quality floor. A limit that was missed as measured is corrected by
 * predicted / measured, and the next solution is trained. A child whose quality is short is trained on while its KL still
 * falls; else the next best measured solution is trained. Ends with the first child that is accepted, or with the nearest.
 */
export const improve: SingleStage<ImproveParams, ImproveNeeds, ImproveOutputs, ModelInput & TargetInput> = {
  name: 'improve',
  // 2: limits on prefill and token latency. 3: limits are corrected by the width of intervals, too, and a child that is short of
  // quality is followed by one nearer to the limits. 4: at once, if it is far beyond them. 5: as `evaluate` 8; the
  // error of accuracies counts. 6: a training that goes on has a lower rate.
  version: 6,
  reads: ['model', 'target'],
  exclusive: true,
  about: {
    summary:
      'If the child misses a limit or the quality floor: trains it further, or trains the next solution. Otherwise does nothing.',
  },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      attempts: {
        type: 'integer',
        minimum: 0,
        maximum: 100,
        reason: 'each one trains a child',
        default: 3,
        description: 'Maximum number of further training runs before the verdict is: no acceptable child.',
      },
      trainOn: {
        quantity: 'fraction',
        exclusiveMinimum: 0,
        default: 0.5,
        description:
          'Tokens for training the same child further, as a share of those of `uptrain`; the learning rate is then a third.',
      },
      headroom: {
        quantity: 'fraction',
        default: 0.002,
        description:
          'Margin by which a child must meet bounds on quality on validation data, so that it still meets them on the test data.',
      },
      errors: {
        type: 'number',
        minimum: 0,
        maximum: 5,
        reason: 'chance hardly ever exceeds five standard errors',
        default: 1.3,
        description:
          'The same for accuracy, in standard errors of the difference between validation and test data, item by item, but at most half of what separates the bound from the parent. 1.3: a child that is just good enough falls short on the test data one time in ten.',
      },
      ...timing,
      ...thoroughness,
    },
  },

  /** As for `uptrain`; a checkpoint also keeps the weights of each attempt. Most children are accepted: then it does nothing. */
  async resources(context) {
    const model = await openParent(context)
    const { memory, temporary } = uptrainingSizes(
      model,
      context.stages.uptrain ?? {},
      await expectedReading(context, model),
    )
    const child = childShare * parameterCount(model)
    return { disk: temporary + 4 * context.params.attempts * child, memory, work: {} }
  },

  async run(context) {
    const { stages, spec } = context
    const params = withThreads(context.params, spec.target)
    const { uptrain, 'check-child': first } = stages
    const evaluation = first?.values.evaluations[0]
    const { target } = spec
    // The test data are as many items again: what separates the two figures has the errors of both.
    const error = (measured: Evaluation) => params.errors * Math.SQRT2 * accuracyError(measured)
    const judged = (measured: Evaluation) =>
      judge(target, measured, withQualityHeadroom(qualityBounds(target), params.headroom, error(measured)))
    if (!uptrain || !evaluation || judged(evaluation).reasons.length === 0)
      return { values: { attempts: [] }, files: {} }

    const model = await openParent(context)
    const { solutions, ...chosen } = await readJson(
      context,
      stages.refine?.files.solutions ?? stages.solve.files.solutions,
    )
    const parts = await problemParts(context, stages.solve.values.composition, chosen)
    const measured = solutions.map((solution, i) => ({ solution, evaluation: stages.evaluate.values.evaluations[i]! }))
    const text = await readSequences(context, stages.prepare.files.train)
    const measure = childMeter(context, model, parts, stages.prepare.files, params)
    const tokensFor = (action: Attempt['action']) =>
      Math.ceil(uptrain.values.tokens * (action === 'train on' ? params.trainOn : 1))
    const modelOf = ({ choice }: Solution) => chosenModel(model, parts.library, choice, context)
    const open = async ({ solution, weights }: Trained) =>
      readChild(modelOf(solution).child, typeof weights === 'string' ? weights : await context.open(weights))

    /** Trains and measures a child. What was done before an interruption is read from the checkpoint. */
    const train = async (n: number, { action, solution }: Remedy, from: Trained): Promise<Trained> => {
      const folder = join(context.checkpoint, `attempt-${n}`)
      const [weights, done] = [join(folder, 'child.safetensors'), join(folder, 'done.json')]
      if (existsSync(done))
        return { ...(JSON.parse(await readFile(done, 'utf8')) as Omit<Trained, 'weights'>), weights }
      await mkdir(folder, { recursive: true })
      // As if it were the last: most attempts are, and the time left is told from this.
      const say = (fraction: number, message: string) =>
        context.progress((n - 1 + fraction) / n, `attempt ${n}, ${action}: ${message}`)
      const { child, fillings } = modelOf(solution)
      const start = action === 'train on' ? await open(from) : child
      const manner = mannerOf(uptrain.values)
      const training = {
        ...manner,
        ...(action === 'train on' && { learningRate: manner.learningRate * laterRate }),
        tokens: tokensFor(action),
        seed: context.seed + n,
      }
      const running = {
        ...context,
        checkpoint: join(folder, 'training'),
        progress: (f: number, m: string) => say(0.8 * f, m),
      }
      const { curve } = await uptrainChild(model, start, fillings, text, training, running, `${weights}.tmp`)
      await rename(`${weights}.tmp`, weights)
      const trained = withHead(await readChild(child, weights), solution.head)
      const evaluation = await decided(
        await measure(trained, solution, (f, m) => say(0.8 + 0.2 * f, m)),
        timer(() => [model, trained], params.threads),
        scenariosIn(parts),
        { ...params, limits: parts.limits },
        (m) => say(1, m),
      )
      const result = { solution, evaluation, curve }
      await writeWhole(`${done}.tmp`, done, JSON.stringify(result))
      await rm(running.checkpoint, { recursive: true, force: true })
      return { ...result, weights }
    }

    const tried: Trained[] = [
      {
        solution: await readJson(context, stages.select.files.selected),
        evaluation,
        curve: await readJson(context, uptrain.files.curve),
        weights: uptrain.files.child,
      },
    ]
    const attempts: Attempt[] = []
    for (let n = 1, { reasons } = judged(evaluation); n <= params.attempts && reasons.length > 0; n++) {
      const next = await remedyFor(tried, { parts, target, measured, seed: context.seed })
      if (!next) break
      context.log(
        `${reasons.join('; ')}: ${next.action === 'train on' ? 'training it further' : 'training another child'}`,
      )
      const own = await train(n, next, tried.at(-1)!)
      tried.push(own)
      const because = reasons
      reasons = judged(own.evaluation).reasons
      attempts.push({
        action: next.action,
        because,
        reasons,
        tokens: tokensFor(next.action),
        kl: own.evaluation.child.kl,
        throughput: own.evaluation.ratios.throughput,
        accuracy: own.evaluation.ratios.accuracy,
      })
    }
    const best = nearest(tried, (own) => missed(judged(own.evaluation)))
    if (typeof best.weights !== 'string') return { values: { attempts }, files: {} }
    // The checkpoint stays what it is until the task is done.
    const copy = join(context.scratch, 'child')
    await copyFile(best.weights, copy)
    return {
      values: {
        attempts,
        child: {
          ...describeSolution(best.solution, parts.library, context.inputDigests.model!),
          evaluation: best.evaluation,
        },
      },
      files: {
        selected: await context.put('solution', best.solution),
        child: await context.putFile('weights', copy),
      },
    }
  },
}
