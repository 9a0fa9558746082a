import {
  ApplicationFailure,
  condition,
  ParentClosePolicy,
  proxyActivities,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
  type SignalDefinition,
} from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import { describeFailure } from './failures.js'
import { executeTask, type group as groupWorkflow } from './group.js'
import { paceSignal, retrySignal, skipSignal, type Approval, type Pace } from './messages.js'
import { taskOptions } from './options.js'
import { Tasks } from './tasks.js'
import type {
  Activities,
  PlannedTasks,
  StageNode,
  StageProgress,
  StageRequest,
  TaskGroup,
  TaskResult,
} from './types.js'
import { inWindow } from './window.js'

/** Groups of a stage at once. */
const groupsAtOnce = 8

/** How a search is to work from now on. */
export interface SearchPace {
  readonly paused: boolean
  /** Tasks in flight at once, of each stage that runs. */
  readonly concurrency: number
}

/** A group that is being done: here, or by a workflow of its own. */
type Active =
  | { readonly group: TaskGroup; readonly tasks: Tasks }
  | { readonly group: TaskGroup; readonly child: ChildWorkflowHandle<typeof groupWorkflow> }

/** A group that ends just now needs no message any more. */
const send = <A>({ child }: Extract<Active, { child: unknown }>, signal: SignalDefinition<[A]>, argument: A): void =>
  void child.signal(signal, argument).catch(() => undefined)

/** Runs one stage of a search: its list of tasks, the tasks, and what becomes of them. */
export class StageRun {
  /** Who does a task at the moment: a group's workflow, or this one. */
  private readonly active = new Map<string, Active>()
  private planned: PlannedTasks | undefined
  private readonly results = new Map<number, TaskResult>()
  private answer: Approval | undefined

  constructor(
    private readonly node: StageNode,
    private readonly request: StageRequest,
    readonly progress: StageProgress,
    private pace: SearchPace,
    private readonly show: () => void,
  ) {}

  /** @returns the artifact with the stage's outputs */
  async run(): Promise<ArtifactRef> {
    const { progress, node } = this
    progress.state = 'running'
    this.show()
    try {
      await condition(() => !this.pace.paused)
      const outputs = node.gate ? await this.ask() : await this.work()
      progress.state = 'done'
      this.show()
      return outputs
    } catch (error) {
      progress.state = 'failed'
      progress.trouble = describeFailure(error)
      this.show()
      throw error
    }
  }

  setPace(pace: SearchPace): void {
    this.pace = pace
    for (const own of this.active.values()) {
      if ('tasks' in own) own.tasks.setPace(this.share)
      else send(own, paceSignal, this.share)
    }
  }

  /** Whether it has a task of this name that is not done. */
  has(id: string): boolean {
    const task = this.planned?.groups.flatMap(({ tasks }) => tasks).find((own) => own.id === id)
    return task !== undefined && !this.results.has(task.index)
  }

  retry(id: string): void {
    this.tell(id, (tasks) => tasks.retry(id), retrySignal, id)
  }

  skip(id: string, reason: string): void {
    this.tell(id, (tasks) => tasks.skip(id, reason), skipSignal, { id, reason })
  }

  /** Whether it waits for a person's answer. */
  get asks(): boolean {
    return this.progress.state === 'asking'
  }

  approve(answer: Approval): void {
    this.answer = answer
  }

  private tell<A>(id: string, here: (tasks: Tasks) => void, signal: SignalDefinition<[A]>, argument: A): void {
    for (const own of this.active.values())
      if (own.group.tasks.some((task) => task.id === id))
        return 'tasks' in own ? here(own.tasks) : send(own, signal, argument)
    // Its group has not begun: it will find this there.
    this.early.push({ id, here })
  }
  private readonly early: { readonly id: string; readonly here: (tasks: Tasks) => void }[] = []

  /** What each group may do, when they share what the stage may do. */
  private get share(): Pace {
    const { paused, concurrency } = this.pace
    return { paused, window: Math.max(1, Math.floor(concurrency / this.lanes)) }
  }
  private get lanes(): number {
    return Math.max(1, Math.min(groupsAtOnce, this.pace.concurrency, this.planned?.groups.length ?? 1))
  }

  private activities(activity: string, summary: string) {
    const { node } = this
    return proxyActivities<Activities>({ ...taskOptions(node), activityId: `${node.name}/${activity}`, summary })
  }

  private async work(): Promise<ArtifactRef> {
    const { node, request, progress } = this
    const planned = await this.activities('plan', `${node.name}: plan`).planStage(request)
    this.planned = planned
    progress.total = planned.total
    this.show()
    await inWindow(planned.groups, this.lanes, async (own) => {
      await condition(() => !this.pace.paused)
      const results = await this.group(own, planned.tasks)
      own.tasks.forEach((task, i) => this.note(task.index, results[i]!))
    })
    const keys = Array.from({ length: planned.total }, (_, i) => this.results.get(i)!).map((result) =>
      result.kind === 'done' ? result.key : null,
    )
    const gather = this.activities('gather', `${node.name}: gather`)
    const gathered = await gather.gatherStage({ ...request, tasks: planned.tasks, keys, skipped: progress.skipped })
    return gathered.outputs
  }

  /** A group of one is done here, others in a workflow of their own. */
  private async group(own: TaskGroup, tasks: ArtifactRef): Promise<TaskResult[]> {
    const { node, request } = this
    const early = this.early.filter(({ id }) => own.tasks.some((task) => task.id === id))
    if (own.tasks.length === 1 || early.length > 0) {
      const here = new Tasks({
        node,
        pace: this.share,
        execute: (task) => executeTask(node, task, { ...request, tasks }),
        onTrouble: (task, failure) => this.trouble(task.id, failure),
      })
      for (const message of early) message.here(here)
      this.active.set(own.name, { group: own, tasks: here })
      return here.run(own.tasks).finally(() => this.active.delete(own.name))
    }
    const pace = this.share
    const child = await startChild<typeof groupWorkflow>('group', {
      args: [{ ...request, tasks, group: own, node, pace }],
      workflowId: `${workflowInfo().workflowId}/${node.name}/${own.name}`,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${node.name}: ${own.name}, ${own.tasks.length} tasks`,
    })
    const active = { group: own, child }
    this.active.set(own.name, active)
    if (pace.paused !== this.share.paused || pace.window !== this.share.window) send(active, paceSignal, this.share)
    return child.result().finally(() => this.active.delete(own.name))
  }

  /** A task waits for a decision, or does not any more. */
  trouble(id: string, failure: { message?: string; remedy?: string } | undefined): void {
    const { progress } = this
    if (failure?.message === undefined) {
      delete progress.trouble
      progress.waiting = progress.waiting.filter((other) => other !== id)
    } else {
      const { message, remedy } = failure
      progress.trouble = { message: `${id}: ${message}`, ...(remedy === undefined ? {} : { remedy }) }
      progress.waiting = [...progress.waiting, id]
    }
    this.show()
  }

  private note(index: number, result: TaskResult): void {
    const { progress, node } = this
    this.results.set(index, result)
    progress.done++
    if (result.kind === 'done') {
      progress.reused += result.reused ? 1 : 0
      progress.seconds += result.reused ? 0 : result.seconds
    } else {
      const task = this.planned!.groups.flatMap(({ tasks }) => tasks).find((own) => own.index === index)!
      progress.skipped = [...progress.skipped, { task: task.id, reason: result.reason }]
      const least = Math.ceil((node.minimumSuccess ?? 0) * progress.total)
      if (progress.total - progress.skipped.length < least)
        throw ApplicationFailure.nonRetryable(
          `Stage ${node.name}: ${progress.skipped.length} of ${progress.total} tasks failed, and ${least} must succeed. ${task.id}: ${result.reason}`,
          'TaskFailed',
        )
    }
    this.show()
  }

  /** Waits for a person, as long as it takes; an answer that was given to the same question before still counts. */
  private async ask(): Promise<ArtifactRef> {
    const { node, request, progress } = this
    const recorder = this.activities('approval', `${node.name}: approval`)
    let found = await recorder.approval(request)
    if (found.kind === 'open') {
      progress.state = 'asking'
      progress.question = found.question
      this.show()
      await condition(() => this.answer !== undefined)
      progress.state = 'running'
      delete progress.question
      found = await this.activities('answer', `${node.name}: answer`).approval({ ...request, answer: this.answer! })
    }
    if (found.kind !== 'approved')
      throw ApplicationFailure.nonRetryable(
        `Stage ${node.name} was not approved${found.kind === 'refused' && found.comment ? `: ${found.comment}` : ''}`,
        'TaskFailed',
        { remedy: 'Change the spec, or answer anew: the same command asks again.' },
      )
    progress.done = progress.total = 1
    return found.outputs
  }
}
