import { summaryMarkdown } from '../errors/markdown.js'
import {
  getExternalWorkflowHandle,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
  type SignalDefinition,
} from '@temporalio/workflow'
import type { FailureText } from './failures.js'
import { endingSignal, paceSignal, retrySignal, skipSignal, troubleSignal } from './messages.js'
import { taskOptions } from './options.js'
import { Tasks } from './tasks.js'
import type { Activities, PartInput, StageRequest, TaskRef, TaskResult } from './types.js'
import type { ArtifactRef } from '../store/store.js'

/** Most tasks waiting for a decision that a search knows of at a time: each is a message. */
const mostTroubles = 100

export interface PartOptions {
  /** What the tasks are called together, and how many they are. */
  readonly name: string
  readonly count: number
  readonly onResult: (task: TaskRef, result: TaskResult) => void
}

/** Some of a stage's tasks, in a child workflow. The search sets the pace and receives what happens. */
export class Part {
  readonly tasks: Tasks
  private done = 0
  private paused: boolean
  /** Tasks that wait for a decision: those that the search knows of, and those that come when it has fewer. */
  private readonly told = new Set<string>()
  private readonly untold = new Map<string, FailureText>()

  constructor(
    { node, pace, skipped, ...request }: PartInput,
    private readonly options: PartOptions,
  ) {
    this.paused = pace.paused
    const stage = node.name
    this.show = () =>
      setCurrentDetails(
        `${stage}, ${summaryMarkdown(options.name)}: ${this.done} of ${options.count} tasks done${this.paused ? ', **paused**' : ''}`,
      )
    this.tasks = new Tasks({
      node,
      pace,
      execute: (task) => executeTask(node, task, request),
      onTrouble: (task, failure) => this.trouble(`${stage}/${task.id}`, failure),
      onEnding: () => this.tell(endingSignal, stage),
      onResult: (task, result) => this.count(task, result),
    })
    setHandler(paceSignal, (next) => {
      this.paused = next.paused
      this.tasks.setPace(next)
      this.show()
    })
    setHandler(retrySignal, (id) => this.tasks.retry(id))
    setHandler(skipSignal, ({ id, reason }) => this.tasks.skip(id, reason))
    for (const { id, reason } of skipped) this.tasks.skip(id, reason)
    this.show()
  }

  private readonly show: () => void

  count(task: TaskRef, result: TaskResult): void {
    this.done++
    this.show()
    this.options.onResult(task, result)
  }

  /** Tells the search, which may be over. */
  tell<A>(signal: SignalDefinition<[A]>, argument: A): void {
    const { parent } = workflowInfo()
    if (!parent) return
    const search = getExternalWorkflowHandle(parent.workflowId, parent.runId)
    void search.signal(signal, argument).catch(() => undefined)
  }

  private trouble(task: string, failure: FailureText | undefined): void {
    const { told, untold } = this
    if (failure) untold.set(task, failure)
    else if (!untold.delete(task) && told.delete(task)) this.tell(troubleSignal, { task })
    for (const [next, why] of untold) {
      if (told.size >= mostTroubles) return
      untold.delete(next)
      told.add(next)
      this.tell(troubleSignal, { task: next, ...why })
    }
  }
}

/** One activity for a task, named for it. */
export function executeTask(
  node: PartInput['node'],
  task: TaskRef,
  request: StageRequest & { readonly tasks: ArtifactRef; readonly keys?: ArtifactRef },
) {
  const { executeTask } = proxyActivities<Activities>({
    ...taskOptions(node),
    activityId: `${node.name}/${task.id}`,
    summary: `${node.name}: ${task.label}`,
  })
  const { plan, stage, outputs, tasks, keys } = request
  return executeTask({ plan, stage, outputs, tasks, ...(keys && { keys }), task })
}
