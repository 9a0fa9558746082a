import { ApplicationFailure, condition, proxyActivities, type ActivityOptions } from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import type { Outcome } from '../api/outcome.js'
import { describeFailure, isCancelled, shortReason, type FailureText } from './failures.js'
import { Gate } from './gate.js'
import { Groups, type GroupsOptions, type SearchPace } from './groups.js'
import { membersOf, membersOfPages, type Member } from './members.js'
import type { Approval } from './types.js'
import type { GroupResults, PageNews } from './messages.js'
import { promptActivities, stageOptions } from './options.js'
import type { PageResult } from './page.js'
import { Remaining } from './remaining.js'
import type { StageOptions } from './stage-options.js'
import type { Activities, PageDone, Skipped, TaskGroup, TaskRef, TaskResult } from './types.js'

/** Most left-out tasks that a stage's progress names. */
const mostNamed = 100
/** Tasks that are left out in one list of a message. */
const mostInMessage = 500

/** Runs one stage of a search: its list of tasks, the tasks, and what becomes of them. */
export class StageRun {
  private pace: SearchPace
  private groups: Groups | undefined
  private readonly results = new Map<number, TaskResult>()
  /** What pages have reported, by their first task. */
  private readonly pages = new Map<number, PageDone>()
  /** The list of tasks, where it is in pages. */
  private list: ArtifactRef | undefined
  private readonly troubles = new Map<string, FailureText>()
  private readonly gate: Gate | undefined
  private remaining = new Remaining(Date.now())
  /** What it says about the whole run. */
  outcome: Outcome | undefined

  constructor(private readonly options: StageOptions) {
    this.pace = options.pace
    if (options.node.gate) this.gate = new Gate(options, (activity) => this.activityOptions(activity))
  }

  /** @returns the artifact with the stage's outputs  @throws its first failure, once none of its tasks runs */
  async run(): Promise<ArtifactRef> {
    const { node, progress, show, giveUp } = this.options
    progress.state = 'running'
    show()
    try {
      await this.unpaused()
      const outputs = this.gate ? await this.gate.ask() : await this.work()
      progress.state = 'done'
      show()
      return outputs
    } catch (error) {
      if (node.onFailure !== 'finish-running') giveUp()
      progress.state = isCancelled(error) ? 'cancelled' : 'failed'
      delete progress.secondsLeft
      if (progress.state === 'failed') progress.trouble = describeFailure(error)
      show()
      throw error
    }
  }

  /** @returns once running groups know it */
  async setPace(pace: SearchPace): Promise<void> {
    // How fast it was before says little.
    if (this.pace.paused !== pace.paused || this.pace.concurrency !== pace.concurrency) this.forgetPace()
    this.pace = pace
    await this.groups?.setPace(pace)
  }

  /** Whether it has an unfinished task of this name, as far as it knows: a group reports its tasks in batches. */
  has(id: string): boolean {
    const task = this.groups?.find(id)
    return task !== undefined && !this.results.has(task.index)
  }
  /** Whether its tasks are in pages: then only `act` can tell whether it has one. */
  get inPages(): boolean {
    return this.list !== undefined
  }
  retry(id: string): void | Promise<void> {
    if (!this.list) return this.groups?.retry(id)
    return this.inPage(id, (groups, member) => groups.retry(id, member))
  }
  skip(id: string, reason: string): void | Promise<void> {
    const short = shortReason(reason)
    if (!this.list) return this.groups?.skip(id, short)
    return this.inPage(id, (groups, member) => groups.skip(id, short, member))
  }
  /** Tasks of a group are over. */
  hear(results: GroupResults['results']): void {
    this.groups?.hear(results)
  }
  /** How far a page is. */
  hearPage({ from, ...state }: PageNews): void {
    if (this.groups?.at(from)) this.groups.attempt(() => this.countPage(from, state))
  }
  /** A task has failed in a group: what runs may finish. */
  end(): void {
    this.groups?.end()
  }

  /** Whether it waits for a person's answer. */
  get asks(): boolean {
    return this.options.progress.state === 'asking'
  }
  approve(answer: Approval): void {
    this.gate?.approve(answer)
  }

  /** A task waits for a decision, or no longer does. */
  trouble(id: string, failure: FailureText | undefined): void {
    const { troubles } = this
    const { progress, show } = this.options
    troubles.delete(id)
    if (failure) troubles.set(id, failure)
    // However they came, in an order in which a person finds one.
    progress.waiting = [...troubles.keys()].sort()
    delete progress.trouble
    const last = [...troubles].at(-1)
    if (last) {
      const [task, { message }] = last
      // Many failures begin with the name already.
      progress.trouble = { ...last[1], message: message.startsWith(`${task}: `) ? message : `${task}: ${message}` }
    }
    show()
  }

  private forgetPace(): void {
    this.remaining = new Remaining(Date.now())
    delete this.options.progress.secondsLeft
  }

  private unpaused(): Promise<void> {
    return condition(() => !this.pace.paused)
  }

  private activities(activity: string) {
    return proxyActivities<Activities>(this.activityOptions(activity))
  }
  private activityOptions(activity: string): ActivityOptions {
    // Whoever serves the stage's queue does its tasks, maybe in another language; what is around them is done here.
    const { node } = this.options
    const activityId = `${node.name}/${activity}`
    return { ...stageOptions(node), activityId, summary: `${node.name}: ${activity}` }
  }

  private async work(): Promise<ArtifactRef> {
    const { node, request, progress, show, giveUp } = this.options
    const planned = await this.activities('plan').planStage(request)
    progress.total = planned.total
    this.forgetPace()
    const lists: ArtifactRef[] = []
    const options: GroupsOptions = {
      node,
      request: { ...request, tasks: planned.tasks, ...(planned.keys && { keys: planned.keys }) },
      pace: this.pace,
      total: planned.total,
      onTrouble: (id, failure) => this.trouble(id, failure),
      onResult: (task, result) => {
        this.count(task, result)
        show()
      },
      onPage: (from, { list, ...state }: PageResult) => {
        if (list) lists.push(list)
        this.countPage(from, state)
      },
      giveUp,
    }
    const { found, unfinished } = sortOut(planned.groups)
    if (planned.pages) this.list = planned.tasks
    for (const { task, key } of found) this.count(task, { kind: 'done', key, reused: true, seconds: 0 })
    show()
    this.groups = new Groups(planned.pages ? membersOfPages(planned.pages) : membersOf(unfinished), options)
    await this.groups.run()
    delete progress.secondsLeft
    await this.unpaused()
    const { keys, skipped } = planned.pages ? { skipped: [] } : this.resultsOf(planned.groups)
    if (skipped.length > mostInMessage) {
      const keeper = this.activities('left-out')
      while (skipped.length > 0) lists.push(await keeper.keepLeftOut({ skipped: skipped.splice(0, mostInMessage) }))
    }
    const gathered = await this.activities('gather').gatherStage({
      ...request,
      tasks: planned.tasks,
      ...(keys && { keys }),
      skipped,
      ...(lists.length > 0 && { leftOut: lists }),
    })
    this.outcome = gathered.outcome
    return gathered.outputs
  }

  /** What became of tasks that are known here. */
  private resultsOf(groups: readonly TaskGroup[]): { keys?: (string | null)[]; skipped: Skipped[] } {
    // In the order of the tasks, whichever was done first: what is gathered does not depend on it.
    const tasks = groups.flatMap((group) => group.tasks).sort((a, b) => a.index - b.index)
    const results = tasks.map((task) => ({ task: task.id, result: this.results.get(task.index)! }))
    const keys = results.map(({ result }) => (result.kind === 'done' ? result.key : null))
    const skipped = results.flatMap(({ task, result }) =>
      result.kind === 'skipped' ? [{ task, reason: result.reason }] : [],
    )
    return { keys, skipped }
  }

  /** Does something with the page of a task. @throws ApplicationFailure when none does it */
  private async inPage(id: string, act: (groups: Groups, member: Member) => void): Promise<void> {
    const { node, request } = this.options
    const finder = promptActivities(this.activityOptions('find'))
    const index = await finder.findTask({ ...request, tasks: this.list!, id })
    const member = index === null ? undefined : this.groups?.at(index)
    if (!member) throw ApplicationFailure.nonRetryable(noSuchTask(node.name, id), 'InvalidInput')
    act(this.groups!, member)
  }

  private countPage(from: number, state: PageDone): void {
    const { progress, show } = this.options
    const before = this.pages.get(from) ?? { done: 0, reused: 0, seconds: 0, leftOut: 0 }
    // The end of a page may arrive before its last report.
    if (state.done <= before.done) return
    this.pages.set(from, state)
    progress.done += state.done - before.done
    progress.reused += state.reused - before.reused
    progress.seconds += state.seconds - before.seconds
    const worked = state.done - before.done - (state.reused - before.reused) - (state.leftOut - before.leftOut)
    if (worked > 0) progress.secondsLeft = this.remaining.done(Date.now(), progress.total - progress.done, worked)
    if (state.leftOut > before.leftOut) this.countLeftOut(state.leftOut - before.leftOut, state.last!)
    show()
  }

  private count(task: TaskRef, result: TaskResult): void {
    const { progress } = this.options
    this.results.set(task.index, result)
    progress.done++
    if (result.kind === 'done') {
      progress.reused += result.reused ? 1 : 0
      progress.seconds += result.reused ? 0 : result.seconds
      if (!result.reused) progress.secondsLeft = this.remaining.done(Date.now(), progress.total - progress.done)
    } else {
      this.countLeftOut(1, { task: task.id, reason: result.reason })
    }
  }

  /** @param last  of so many more */
  private countLeftOut(more: number, last: Skipped): void {
    const { node, progress } = this.options
    progress.leftOut += more
    if (progress.skipped.length < mostNamed) progress.skipped = [...progress.skipped, last]
    // 0.07 * 100 is a little more than 7.
    const least = Math.ceil((node.minimumSuccess ?? 0) * progress.total - 1e-9)
    if (progress.total - progress.leftOut < least)
      throw ApplicationFailure.nonRetryable(
        `Stage ${node.name}: ${progress.leftOut} of ${progress.total} tasks are left out, but ${least} must succeed. ${last.task}: ${last.reason}`,
        'TaskFailed',
      )
  }
}

/** Why nothing can be said to a task. */
export const noSuchTask = (stage: string, id: string): string => `Stage ${stage} has no unfinished task "${id}".`

/** Tasks that the store had the result of when the stage was planned, and those to be done. */
function sortOut(groups: readonly TaskGroup[]) {
  const reused = groups.flatMap(({ tasks }) =>
    tasks.flatMap((task) => (task.found === undefined ? [] : [{ task, key: task.found }])),
  )
  const unfinished = groups
    .map(({ name, tasks }) => ({ name, tasks: tasks.filter((task) => task.found === undefined) }))
    .filter(({ tasks }) => tasks.length > 0)
  return { found: reused, unfinished }
}
