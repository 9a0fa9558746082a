import { Head, type HeadWeights, type Model } from '../model/index.js'
import { Failure, type ArtifactRef, type Environment } from '../api/index.js'
import type { TaskItems } from '../data/task.js'
import { figuresOf, readTasks } from './evaluation.js'
import { respondentOf } from './respondent.js'
import { answersToAll } from './task-answers.js'

/** Measures the mean accuracy of changed models on tasks. Each measurement answers all items from the first layer on. */
export class AccuracyMeter {
  private constructor(
    private readonly tasks: Readonly<Record<string, TaskItems>>,
    private readonly head: Head,
    /** Type of the parent's head. */
    private readonly headWeights: HeadWeights | undefined,
    private readonly threads: number,
    /** The parent's mean accuracy. */
    readonly parent: number,
  ) {}

  /** @param items  items of each task, the first ones. @throws Failure InvalidInput if no task has an accuracy */
  static async open(
    context: Pick<Environment, 'open'>,
    parent: Model,
    tasks: ArtifactRef<Readonly<Record<string, TaskItems>>>,
    items: number,
    threads: number,
  ): Promise<AccuracyMeter> {
    const used = await readTasks(context, tasks, items)
    const head = await Head.create(parent, threads)
    const accuracy = await accuracyOf(parent, used, head, threads)
    if (accuracy === null)
      throw new Failure('InvalidInput', 'The objective "accuracy" needs tasks with a metric from 0 to 1', {
        remedy: 'Add `tasks:` to the spec, or set stages.score.objective to kl.',
      })
    return new AccuracyMeter(used, head, parent.config.headWeights, threads, accuracy)
  }

  /** Mean accuracy of a changed model, beside the parent's. */
  async measure(child: Model): Promise<{ readonly parent: number; readonly child: number }> {
    const { parent, tasks, threads } = this
    if (child.config.headWeights === this.headWeights)
      return { parent, child: (await accuracyOf(child, tasks, this.head, threads))! }
    const head = await Head.create(child, threads)
    const accuracy = await accuracyOf(child, tasks, head, threads)
    await head.release()
    return { parent, child: accuracy! }
  }

  async release(): Promise<void> {
    await this.head.release()
  }
}

async function accuracyOf(
  model: Model,
  tasks: Readonly<Record<string, TaskItems>>,
  head: Head,
  threads: number,
): Promise<number | null> {
  return figuresOf(tasks, await answersToAll(tasks, respondentOf(model, head, threads))).accuracy
}
