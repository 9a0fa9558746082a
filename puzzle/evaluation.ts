import { Forward, Head, embed, type Model } from '../model/index.js'
import { Failure, type ArtifactRef, type Environment, type Running } from '../api/index.js'
import { parentScenario, type PairScenario } from './batches.js'
import { parameterCount, sizes } from './costs.js'
import { readJson } from './library.js'
import { mainMetric, withItems, type TaskItems } from '../data/task.js'
import { readSequences, type Sequences } from '../data/sequences.js'
import { ofItems, ofSequences } from './parameters.js'
import { pairedTasks, type Listing, type PairedTask } from './paired-task.js'
import type { PredictedSpeeds } from './predicted-speeds.js'
import { respondentOf } from './respondent.js'
import { served, type Figures, type Served, type ServedInAll, type WithPredictions } from './served.js'
import { estimate, type Estimate } from './statistics.js'
import { answersToAll, type Answers } from './task-answers.js'
import { throughLayers } from './through-layers.js'
import { WarmOf } from './warm.js'
import { errorOf, ofEachSpeed, timePairs, type Speeds, type TimingParams } from './speed.js'

/** Quality of a model on held-out text and tasks. */
export interface Quality {
  /** KL(parent || model), nats per token; 0 for the parent. */
  readonly kl: number
  readonly perplexity: number
  /** Mean over tasks; null without tasks. */
  readonly accuracy: number | null
  /** The main metric of each task that has one from 0 to 1. */
  readonly tasks: Readonly<Record<string, number>>
  /** By task and metric. */
  readonly metrics?: Readonly<Record<string, Readonly<Record<string, Estimate>>>>
}

/** A model's quality, and the answers that it comes from. */
export interface Examined {
  readonly quality: Quality
  readonly answers: Answers
}

/** Measurements of a model. */
export interface Measured extends Quality, Figures {
  readonly parameters: number
}

/** Measurements together with predicted throughput and times. */
export type Predicted<T extends Measured = Measured> = T & WithPredictions

/** The parent, the text, the tasks and the scenarios that models are measured with. */
export interface Yardstick {
  readonly parent: Model
  readonly held: Sequences
  /** Hidden states of the parent before its final norm, [sequences * length, hidden]. */
  readonly final: Float32Array
  readonly tasks: Readonly<Record<string, TaskItems>>
  /** At least one. */
  readonly scenarios: readonly PairScenario[]
  /** Threads that compute quality: all that the task has, whatever the scenario is timed with. */
  readonly threads: number
  /** Of what the parent's examination depends on besides the parent. */
  readonly key: string
}

/** How thoroughly to measure. */
export interface Thoroughness {
  /** Largest number of items of each task. */
  readonly items: number
  /** Number of held-out sequences for KL and perplexity. */
  readonly sequences: number
}

/** Opens the yardstick for the children of a parent. @param prepared  artifacts of `prepare` */
export async function openYardstick(
  context: Pick<Environment, 'open'> & Pick<Running, 'threads'>,
  parent: Model,
  prepared: { readonly validate: ArtifactRef; readonly tasks: ArtifactRef<Readonly<Record<string, TaskItems>>> },
  scenarios: readonly PairScenario[],
  { items, sequences }: Thoroughness,
): Promise<Yardstick> {
  const { threads } = context
  const held = await readSequences(context, prepared.validate, sequences)
  const tasks = await readTasks(context, prepared.tasks, items)
  const key = [prepared.validate.digest, prepared.tasks.digest, sequences, items, threads].join(' ')
  const final = await finalOfParents.get(parent, key, () => lastHidden(parent, held, threads))
  return { parent, held, final, tasks, scenarios, threads, key }
}

// A process measures several children of one parent.
const finalOfParents = new WarmOf<Model, Float32Array>(1)

/** Reads tasks with at most so many items each, the first ones. */
export async function readTasks(
  context: Pick<Environment, 'open'>,
  tasks: ArtifactRef<Readonly<Record<string, TaskItems>>>,
  items: number,
): Promise<Readonly<Record<string, TaskItems>>> {
  const all = Object.entries(await readJson(context, tasks))
  return Object.fromEntries(all.map(([name, own]) => [name, withItems(own, own.items.slice(0, items))]))
}

/** Sequences in a pass, at most. */
export const measuredBatch = 16

const batchOf = ({ count }: Sequences) => Math.min(measuredBatch, count)

/** Hidden states of a model before its final norm, [sequences * length, hidden]. */
export async function lastHidden(model: Model, held: Sequences, threads: number): Promise<Float32Array> {
  const forward = new Forward(batchOf(held), held.length, threads)
  const embedding = await model.embedding()
  const rows = (start: number, count: number) => embed(embedding, model.config, held.ids.subarray(start, start + count))
  const out = await throughLayers(forward, model, held, rows, 0, model.config.layers)
  await forward.release()
  return out
}

type Progress = (fraction: number, message: string) => void

const examinedParents = new WarmOf<Model, Examined>(1)

/** Examines the parent, once for all tasks of this process that measure children with the same text and tasks. */
export function examineParent(yardstick: Yardstick, progress?: Progress): Promise<Examined> {
  const { parent, key } = yardstick
  return examinedParents.get(parent, key, () => examine(parent, yardstick, progress))
}

/** Measures KL, perplexity and answers to tasks. @throws Failure NonFinite if one of them is not finite */
export async function examine(
  model: Model,
  { parent, held, final, tasks, threads }: Yardstick,
  progress: Progress = () => {},
): Promise<Examined> {
  const head = await Head.create(model, threads, parent)
  const modelStates = model === parent ? final : await lastHidden(model, held, threads)
  const c = await head.compare(final, modelStates, held.ids, held.mask, held.length)
  const answers = await answersToAll(tasks, respondentOf(model, head, threads), progress)
  await head.release()
  const measures = { kl: c.kl / c.tokens, perplexity: Math.exp(c.loss / c.targets) }
  for (const [name, value] of Object.entries(measures))
    if (!Number.isFinite(value))
      throw new Failure('NonFinite', `${model === parent ? 'the parent' : 'the child'}: ${name} is ${value}`, {
        remedy: 'Check the weights for extreme values, or remove the block types that produce them from `space`.',
      })
  return { quality: { ...measures, ...figuresOf(tasks, answers) }, answers }
}

/** What answers come to. */
export function figuresOf(
  tasks: Readonly<Record<string, TaskItems>>,
  answers: Answers,
): Required<Pick<Quality, 'accuracy' | 'tasks' | 'metrics'>> {
  const metrics = Object.fromEntries(
    Object.entries(answers).map(([name, { scores }]) => [
      name,
      Object.fromEntries(Object.entries(scores).map(([key, own]) => [key, estimate(own)])),
    ]),
  )
  const accuracy = Object.fromEntries(
    Object.entries(tasks).flatMap(([name, task]) => {
      const main = mainMetric(task)
      return main ? [[name, metrics[name]![main.key]!.value] as const] : []
    }),
  )
  const values = Object.values(accuracy)
  return {
    accuracy: values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : null,
    tasks: accuracy,
    metrics,
  }
}

/** Measurements of a child and its parent; figures of the first scenario, if there are several. */
export interface Evaluation<M extends Measured = Predicted> extends ServedInAll<M> {
  readonly ratios: Served['ratios'] & { readonly accuracy: number | null; readonly parameters: number }
  /** Both on the same items, by task. */
  readonly paired?: Readonly<Record<string, PairedTask>>
}

/**
 * Measures a child and times it against its parent.
 * @param examined  the parent, examined once for all its children
 * @param listing   how items are listed that only one of the two answers right. Default: they are counted
 */
export async function evaluatePair(
  yardstick: Yardstick,
  examined: Examined,
  child: Model,
  { repetitions, retime, threads }: TimingParams,
  progress: Progress = () => {},
  listing?: Listing,
): Promise<Evaluation<Measured>> {
  const { parent, scenarios } = yardstick
  const { quality, answers } = await examine(child, yardstick, (f, message) => progress(f * 0.5, message))
  const inAll: Served[] = []
  for (const scenario of scenarios) {
    const say = (pair: number, pairs: number) =>
      progress(0.5 + (0.5 * (inAll.length + pair / pairs)) / scenarios.length, `timing, pair ${pair} of ${pairs}`)
    const passes = { pairs: repetitions, error: errorOf({ retime }) }
    const timing = await timePairs([parent, child], { scenario, threads }, passes, say)
    const memory = [sizes(parent, parentScenario(scenario)), sizes(child, scenario)].map((own) => own.memoryBytes)
    inAll.push(served(scenario, memory as [number, number], timing))
  }
  const [first, ...others] = inAll
  const parameters = { parent: parameterCount(parent), child: parameterCount(child) }
  return {
    parent: { ...examined.quality, parameters: parameters.parent, ...first!.parent },
    child: { ...quality, parameters: parameters.child, ...first!.child },
    ratios: {
      ...first!.ratios,
      accuracy:
        examined.quality.accuracy && quality.accuracy !== null ? quality.accuracy / examined.quality.accuracy : null,
      parameters: parameters.child / parameters.parent,
    },
    timing: first!.timing,
    ...(others.length > 0 && { others }),
    paired: pairedTasks(yardstick.tasks, examined.answers, answers, listing),
  }
}

/** Adds predicted throughputs and times, in all scenarios. */
export function withPredictions(
  { parent, child, others, ...more }: Evaluation<Measured>,
  predicted: PredictedSpeeds,
): Evaluation {
  const add = <F extends Figures>(own: F, guess: Speeds): F & WithPredictions => ({
    ...own,
    ...ofEachSpeed((name) => ({ predicted: guess[name], ...own[name] })),
  })
  return {
    ...{ parent: add(parent, predicted.parent), child: add(child, predicted.child), ...more },
    ...(others && {
      others: others.map((own, i) => {
        const guess = predicted.others![i]!
        return { ...own, parent: add(own.parent, guess.parent), child: add(own.child, guess.child) }
      }),
    }),
  }
}

/** Parameters of stages that measure. */
export const thoroughness = {
  items: {
    type: 'integer',
    minimum: 1,
    ...ofItems,
    default: 1000000,
    description: 'Maximum number of items per task.',
  },
  sequences: {
    type: 'integer',
    minimum: 1,
    ...ofSequences,
    default: 128,
    description: 'Held-out sequences for KL and perplexity.',
  },
}
