import {
  condition,
  ParentClosePolicy,
  startChild,
  workflowInfo,
  WorkflowIdReusePolicy,
  type ChildWorkflowHandle,
  type SignalDefinition,
} from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import type { FailureText } from './failures.js'
import { executeTask, type group as groupWorkflow } from './group.js'
import { Lanes } from './lanes.js'
import { paceSignal, retrySignal, skipSignal, type Pace } from './messages.js'
import { Tasks } from './tasks.js'
import type { StageNode, StageRequest, TaskGroup, TaskRef, TaskResult } from './types.js'

/** Groups that are workflows of their own, of a stage at once. */
const groupsAtOnce = 8
/** Tasks in flight at once that a search may ask for. */
export const mostConcurrency = 1000

/** How a search is to work from now on. */
export interface SearchPace {
  readonly paused: boolean
  /** Tasks in flight at once, of each stage that runs. */
  readonly concurrency: number
}

export interface GroupsOptions {
  readonly node: StageNode
  readonly request: StageRequest & { readonly tasks: ArtifactRef }
  readonly pace: SearchPace
  readonly onTrouble: (id: string, failure: FailureText | undefined) => void
  /** @throws what ends the stage */
  readonly onResult: (task: TaskRef, result: TaskResult) => void
  /** Ends all that runs, after a failure that calls for it. */
  readonly giveUp: () => void
}

/** A group of tasks, and who does them while they are being done: this workflow, or one of their own. */
interface Member {
  readonly group: TaskGroup
  readonly skipped: { readonly id: string; readonly reason: string }[]
  tasks?: Tasks
  child?: ChildWorkflowHandle<typeof groupWorkflow>
  /** What it was told last. */
  pace?: Pace
}

/** The tasks of a stage by groups, so many in flight as the search says. */
export class Groups {
  private readonly members: readonly Member[]
  private readonly byTask = new Map<string, { readonly member: Member; readonly task: TaskRef }>()
  private readonly lanes: Lanes<Member>
  private readonly mostLanes: number
  private pace: SearchPace
  /** The first failure: nothing begins after it. */
  private failed: Error | undefined

  constructor(
    groups: readonly TaskGroup[],
    private readonly options: GroupsOptions,
  ) {
    this.pace = options.pace
    this.members = groups.map((group) => ({ group, skipped: [] }))
    for (const member of this.members) for (const task of member.group.tasks) this.byTask.set(task.id, { member, task })
    const single = groups.every(({ tasks }) => tasks.length === 1)
    this.mostLanes = Math.min(single ? mostConcurrency : groupsAtOnce, groups.length)
    this.lanes = new Lanes(this.mostLanes, this.pace.concurrency)
  }

  /** Does all tasks. @throws the first failure, when nothing runs any more */
  async run(): Promise<void> {
    const waiting = [...this.members]
    const over = () => waiting.length === 0 || this.failed !== undefined
    const inTurn = async () => {
      for (;;) {
        await condition(() => over() || (!this.pace.paused && this.lanes.free))
        if (over()) return
        const member = waiting.shift()!
        this.lanes.enter(member)
        try {
          const results = await this.group(member)
          if (!this.failed) member.group.tasks.forEach((task, i) => this.options.onResult(task, results[i]!))
        } finally {
          delete member.tasks
          delete member.child
          this.lanes.leave(member)
          this.tellPace()
        }
      }
    }
    // All are waited for: what still runs would be in the way of the next run.
    const turns = Array.from({ length: this.mostLanes }, () => inTurn().catch((error: unknown) => this.fail(error)))
    await Promise.all(turns)
    if (this.failed) throw this.failed
  }

  setPace(pace: SearchPace): void {
    this.pace = pace
    this.lanes.setConcurrency(pace.concurrency)
    this.tellPace()
  }

  find(id: string): TaskRef | undefined {
    return this.byTask.get(id)?.task
  }

  retry(id: string): void {
    const { member } = this.byTask.get(id)!
    if (member.tasks) member.tasks.retry(id)
    else send(member, retrySignal, id)
  }

  skip(id: string, reason: string): void {
    const { member } = this.byTask.get(id)!
    member.skipped.push({ id, reason })
    if (member.tasks) member.tasks.skip(id, reason)
    else send(member, skipSignal, { id, reason })
  }

  private fail(error: unknown): void {
    if (this.failed) return
    this.failed = error as Error
    if (this.options.node.onFailure === 'finish-running') this.tellPace()
    else this.options.giveUp()
  }

  /** A group of one is done here, others in a workflow of their own. */
  private async group(member: Member): Promise<TaskResult[]> {
    const { node, request, onTrouble } = this.options
    const { group, skipped } = member
    const pace = this.paceOf(member)
    member.pace = pace
    if (group.tasks.length === 1) {
      member.tasks = new Tasks({
        node,
        pace,
        execute: (task) => executeTask(node, task, request),
        onTrouble: (task, failure) => onTrouble(task.id, failure),
      })
      for (const { id, reason } of skipped) member.tasks.skip(id, reason)
      return member.tasks.run(group.tasks)
    }
    const known = [...skipped]
    member.child = await startChild<typeof groupWorkflow>('group', {
      args: [{ ...request, group, node, pace, skipped: known }],
      workflowId: `${workflowInfo().workflowId}/${node.name}/${group.name}`,
      // One that a lost run left behind.
      workflowIdReusePolicy: WorkflowIdReusePolicy.TERMINATE_IF_RUNNING,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${node.name}: ${group.name}, ${group.tasks.length} tasks`,
    })
    // What was said while it was starting.
    this.tellPace()
    for (const skip of skipped.slice(known.length)) send(member, skipSignal, skip)
    return member.child.result()
  }

  private paceOf(member: Member): Pace {
    const ending = this.failed === undefined ? {} : { ending: true }
    return { paused: this.pace.paused, window: this.lanes.window(member), ...ending }
  }

  /** Tells the groups that run how to go on, if they do not know yet. */
  private tellPace(): void {
    for (const member of this.members) {
      if (!member.tasks && !member.child) continue
      const pace = this.paceOf(member)
      const { paused, window, ending } = member.pace!
      if (pace.paused === paused && pace.window === window && pace.ending === ending) continue
      member.pace = pace
      if (member.tasks) member.tasks.setPace(pace)
      else send(member, paceSignal, pace)
    }
  }
}

/** To a group's workflow. One that is just starting, or ending, needs no message. */
function send<A>({ child }: Member, signal: SignalDefinition<[A]>, argument: A): void {
  if (child) void child.signal(signal, argument).catch(() => undefined)
}
