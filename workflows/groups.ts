import { summaryMarkdown } from '../errors/markdown.js'
import { condition, ParentClosePolicy, startChild, workflowInfo, WorkflowIdReusePolicy } from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import type { FailureText } from './failures.js'
import type { group as groupWorkflow } from './group.js'
import { Lanes } from './lanes.js'
import { send, type Member } from './members.js'
import { paceSignal, retrySignal, skipSignal, type GroupResults } from './messages.js'
import type { Pace } from './types.js'
import type { page as pageWorkflow, PageResult } from './page.js'
import { executeTask } from './part.js'
import { Tasks } from './tasks.js'
import type { StageNode, StageRequest, TaskRef, TaskResult } from './types.js'

/** Most groups of a stage that run as child workflows at the same time. */
const groupsAtOnce = 8
/** Most tasks that a search may have in flight at the same time. */
export const mostConcurrency = 1000

/** How a search is to work from now on. */
export interface SearchPace {
  readonly paused: boolean
  /** Most tasks of each running stage in flight at the same time. */
  readonly concurrency: number
}

export interface GroupsOptions {
  readonly node: StageNode
  readonly request: StageRequest & { readonly tasks: ArtifactRef; readonly keys?: ArtifactRef }
  readonly pace: SearchPace
  readonly onTrouble: (id: string, failure: FailureText | undefined) => void
  /** @throws what ends the stage */
  readonly onResult: (task: TaskRef, result: TaskResult) => void
  /** The same of a page that is over. */
  readonly onPage: (from: number, result: PageResult) => void
  /** Tasks of the stage. */
  readonly total: number
  /** Ends all that runs, after a failure that calls for it. */
  readonly giveUp: () => void
}

/** The tasks of a stage by groups, so many in flight as the search says. */
export class Groups {
  private readonly byTask = new Map<string, { readonly member: Member; readonly task: TaskRef }>()
  private readonly lanes: Lanes<Member>
  private pace: SearchPace
  /** The first failure: nothing begins after it. */
  private failed: Error | undefined
  private ending = false
  /** Tasks whose results are known. */
  private readonly noted = new Set<string>()

  constructor(
    private readonly members: readonly Member[],
    private readonly options: GroupsOptions,
  ) {
    this.pace = options.pace
    for (const member of this.members) for (const task of member.tasks) this.byTask.set(task.id, { member, task })
    this.lanes = new Lanes(Math.min(groupsAtOnce, this.members.length), this.pace.concurrency)
  }

  /** Does all tasks. @throws the first failure, once nothing runs */
  async run(): Promise<void> {
    const waiting = [...this.members]
    const over = () => waiting.length === 0 || this.ending || this.failed !== undefined
    const mayGoOn = () => over() || (!this.pace.paused && this.lanes.free)
    const inTurn = async () => {
      for (;;) {
        // Asked again after the waiting: those that waited too may have taken the lane just now.
        while (!mayGoOn()) await condition(mayGoOn)
        if (over()) return
        const member = waiting.shift()!
        this.lanes.enter(member)
        try {
          await this.doTasks(member)
        } finally {
          member.over = true
          delete member.here
          delete member.child
          this.lanes.leave(member)
          void this.tellPace()
        }
      }
    }
    // All are waited for: what still runs would be in the way of the next run.
    const turns = Array.from({ length: groupsAtOnce }, () => inTurn().catch((error: unknown) => this.fail(error)))
    await Promise.all(turns)
    if (this.failed) throw this.failed
  }

  /** @returns once the groups know the pace: from then on they start no more tasks than it allows */
  setPace(pace: SearchPace): Promise<void> {
    this.pace = pace
    this.lanes.setConcurrency(pace.concurrency)
    return this.tellPace()
  }

  find(id: string): TaskRef | undefined {
    return this.byTask.get(id)?.task
  }

  /** Who does the task that stands there in a list with pages; undefined when it is over. */
  at(index: number): Member | undefined {
    return this.members.find(({ page, over }) => page && page.from <= index && index < page.to && !over)
  }

  retry(id: string, member = this.byTask.get(id)!.member): void {
    if (member.here) member.here.retry(id)
    else void send(member, retrySignal, id)
  }

  skip(id: string, reason: string, member = this.byTask.get(id)!.member): void {
    member.skipped.push({ id, reason })
    if (member.here) member.here.skip(id, reason)
    else void send(member, skipSignal, { id, reason })
  }

  /** A group reports tasks that are over while others still run. */
  hear(results: GroupResults['results']): void {
    for (const { task, result } of results) {
      const found = this.find(task)
      if (found) this.note(found, result)
    }
  }

  /** A task failed in a stage that lets running tasks finish: no more tasks start. */
  end(): void {
    this.ending = true
    void this.tellPace()
  }

  private fail(error: unknown): void {
    if (this.failed) return
    this.failed = error as Error
    if (this.options.node.onFailure === 'finish-running') this.end()
    else this.options.giveUp()
  }

  private note(task: TaskRef, result: TaskResult): void {
    if (this.failed || this.noted.has(task.id)) return
    this.noted.add(task.id)
    this.attempt(() => this.options.onResult(task, result))
  }

  /** Does what may throw where a stage ends. */
  attempt(note: () => void): void {
    try {
      note()
    } catch (error) {
      this.fail(error)
    }
  }

  private async doTasks(member: Member): Promise<void> {
    const { node, request, onTrouble, onPage, total } = this.options
    const { name, tasks, skipped, page } = member
    const pace = this.paceOf(member)
    member.pace = pace
    if (name === undefined) {
      member.here = new Tasks({
        node,
        pace,
        execute: (task) => executeTask(node, task, request),
        onTrouble: (task, failure) => onTrouble(task.id, failure),
        onResult: (task, result) => this.note(task, result),
        onEnding: () => this.end(),
      })
      for (const { id, reason } of skipped) member.here.skip(id, reason)
      await member.here.run(tasks)
      return
    }
    const known = [...skipped]
    const input = { ...request, node, pace, skipped: known }
    const options = (what: string) => ({
      workflowId: `${workflowInfo().workflowId}/${node.name}/${name}`,
      // One that a lost run left behind.
      workflowIdReusePolicy: WorkflowIdReusePolicy.TERMINATE_IF_RUNNING,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${node.name}: ${summaryMarkdown(what)}`,
    })
    const tellMore = () => {
      // What was said while it was starting.
      void this.tellPace()
      for (const skip of skipped.slice(known.length)) void send(member, skipSignal, skip)
    }
    if (page) {
      const started = await startChild<typeof pageWorkflow>('page', {
        ...options(`tasks ${name} of ${total}`),
        args: [{ ...input, page, total }],
      })
      member.child = started
      tellMore()
      const result = await started.result()
      if (!this.failed) this.attempt(() => onPage(page.from, result))
      return
    }
    const started = await startChild<typeof groupWorkflow>('group', {
      ...options(`${name}, ${tasks.length} tasks`),
      args: [{ ...input, group: { name, tasks }, total }],
    })
    member.child = started
    tellMore()
    const results = await started.result()
    for (const [i, task] of tasks.entries()) if (results[i]) this.note(task, results[i])
  }

  private paceOf(member: Member): Pace {
    const ending = this.ending ? { ending: true } : {}
    return { paused: this.pace.paused, window: this.lanes.window(member), ...ending }
  }

  /** Sends the pace to running groups that do not know it yet. */
  private async tellPace(): Promise<void> {
    const sent: Promise<void>[] = []
    for (const member of this.members) {
      if (!member.here && !member.child) continue
      const pace = this.paceOf(member)
      const { paused, window, ending } = member.pace!
      if (pace.paused === paused && pace.window === window && pace.ending === ending) continue
      member.pace = pace
      if (member.here) member.here.setPace(pace)
      else sent.push(send(member, paceSignal, pace))
    }
    await Promise.all(sent)
  }
}
