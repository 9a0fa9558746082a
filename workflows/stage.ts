import { ApplicationFailure, condition, proxyActivities, type ActivityOptions } from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import { describeFailure, isCancelled, type FailureText } from './failures.js'
import { Groups, type SearchPace } from './groups.js'
import type { Approval, GroupResults } from './messages.js'
import { promptActivities, stageOptions } from './options.js'
import { Remaining } from './remaining.js'
import type { Activities, StageNode, StageProgress, StageRequest, TaskGroup, TaskRef, TaskResult } from './types.js'

/** What a search gives to each of its stages. */
export interface StageOptions {
  readonly node: StageNode
  readonly request: StageRequest
  readonly progress: StageProgress
  readonly pace: SearchPace
  readonly show: () => void
  /** Called as soon as the stage fails, if all that runs is to end then. */
  readonly giveUp: () => void
}

/** Runs one stage of a search: its list of tasks, the tasks, and what becomes of them. */
export class StageRun {
  private pace: SearchPace
  private groups: Groups | undefined
  private readonly results = new Map<number, TaskResult>()
  private readonly troubles = new Map<string, FailureText>()
  private answer: Approval | undefined
  private remaining = new Remaining(Date.now())

  constructor(private readonly options: StageOptions) {
    this.pace = options.pace
  }

  /** @returns the artifact with the stage's outputs  @throws its first failure, when nothing of it runs any more */
  async run(): Promise<ArtifactRef> {
    const { node, progress, show, giveUp } = this.options
    progress.state = 'running'
    show()
    try {
      await this.unpaused()
      const outputs = node.gate ? await this.ask() : await this.work()
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

  /** @returns when groups that run have been told */
  async setPace(pace: SearchPace): Promise<void> {
    // How fast it was before says little.
    if (this.pace.paused !== pace.paused || this.pace.concurrency !== pace.concurrency) this.forgetPace()
    this.pace = pace
    await this.groups?.setPace(pace)
  }

  /** Whether it has a task of this name that is not done, as far as is known: a group tells of its tasks in parts. */
  has(id: string): boolean {
    const task = this.groups?.find(id)
    return task !== undefined && !this.results.has(task.index)
  }
  retry(id: string): void {
    this.groups?.retry(id)
  }
  skip(id: string, reason: string): void {
    this.groups?.skip(id, reason)
  }
  /** Tasks of a group are over. */
  hear(results: GroupResults['results']): void {
    this.groups?.hear(results)
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
    this.answer = answer
  }

  /** A task waits for a decision, or does not any more. */
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
    const { found, unfinished } = sortOut(planned.groups)
    progress.total = planned.total
    this.forgetPace()
    for (const { task, key } of found) this.count(task, { kind: 'done', key, reused: true, seconds: 0 })
    show()
    this.groups = new Groups(unfinished, {
      node,
      request: { ...request, tasks: planned.tasks, ...(planned.keys && { keys: planned.keys }) },
      pace: this.pace,
      onTrouble: (id, failure) => this.trouble(id, failure),
      onResult: (task, result) => {
        this.count(task, result)
        show()
      },
      giveUp,
    })
    await this.groups.run()
    delete progress.secondsLeft
    await this.unpaused()
    // In the order of the tasks, whichever was done first: what is gathered does not depend on it.
    const tasks = planned.groups.flatMap((group) => group.tasks).sort((a, b) => a.index - b.index)
    const results = tasks.map((task) => ({ task: task.id, result: this.results.get(task.index)! }))
    const keys = results.map(({ result }) => (result.kind === 'done' ? result.key : null))
    const skipped = results.flatMap(({ task, result }) =>
      result.kind === 'skipped' ? [{ task, reason: result.reason }] : [],
    )
    const gather = this.activities('gather')
    const gathered = await gather.gatherStage({ ...request, tasks: planned.tasks, keys, skipped })
    return gathered.outputs
  }

  private count(task: TaskRef, result: TaskResult): void {
    const { node, progress } = this.options
    this.results.set(task.index, result)
    progress.done++
    if (result.kind === 'done') {
      progress.reused += result.reused ? 1 : 0
      progress.seconds += result.reused ? 0 : result.seconds
      if (!result.reused) progress.secondsLeft = this.remaining.done(Date.now(), progress.total - progress.done)
    } else {
      progress.skipped = [...progress.skipped, { task: task.id, reason: result.reason }]
      // 0.07 * 100 is a little more than 7.
      const least = Math.ceil((node.minimumSuccess ?? 0) * progress.total - 1e-9)
      if (progress.total - progress.skipped.length < least)
        throw ApplicationFailure.nonRetryable(
          `Stage ${node.name}: ${progress.skipped.length} of ${progress.total} tasks are left out, and ${least} must succeed. ${task.id}: ${result.reason}`,
          'TaskFailed',
        )
    }
  }

  /** Waits for a person, as long as it takes; an answer that was given to the same question before still counts. */
  private async ask(): Promise<ArtifactRef> {
    const { node, request, progress, show } = this.options
    let found = await promptActivities(this.activityOptions('approval')).approval(request)
    if (found.kind === 'open') {
      progress.state = 'asking'
      progress.question = found.question
      show()
      await condition(() => this.answer !== undefined)
      progress.state = 'running'
      delete progress.question
      const recorder = promptActivities(this.activityOptions('answer'))
      found = await recorder.approval({ ...request, answer: this.answer! })
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

/** Tasks that the store had the result of when the stage was planned, and those to be done. */
function sortOut(groups: readonly TaskGroup[]) {
  const found = groups.flatMap(({ tasks }) =>
    tasks.flatMap((task) => (task.found === undefined ? [] : [{ task, key: task.found }])),
  )
  const unfinished = groups
    .map(({ name, tasks }) => ({ name, tasks: tasks.filter((task) => task.found === undefined) }))
    .filter(({ tasks }) => tasks.length > 0)
  return { found, unfinished }
}
