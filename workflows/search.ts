import { defineSearchAttributeKey } from '@temporalio/common'
import {
  CancellationScope,
  defineQuery,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import { taskOptions } from './options.js'
import type { group as groupWorkflow } from './group.js'
import type {
  Activities,
  SearchInput,
  SearchProgress,
  SearchResult,
  StageNode,
  StageProgress,
  TaskDone,
} from './types.js'
import { inWindow } from './window.js'

export const progressQuery = defineQuery<SearchProgress>('progress')
const stageKey = defineSearchAttributeKey('PuzzleStage', 'KEYWORD')
const progressKey = defineSearchAttributeKey('PuzzleProgress', 'DOUBLE')

/** Groups of a stage at once. */
const groupsAtOnce = 8

/** A run of a plan: every stage when those it needs are done. */
export async function search(input: SearchInput): Promise<SearchResult> {
  const progress = new Map<string, StageProgress>(
    input.stages.map(({ name }) => [name, { stage: name, state: 'waiting', done: 0, total: 0, reused: 0, seconds: 0 }]),
  )
  const current = (): SearchProgress => {
    const stages = [...progress.values()]
    const parts = stages.map((s) => (s.state === 'done' ? 1 : s.total > 0 ? s.done / (s.total + 1) : 0))
    return { stages, fraction: parts.reduce((a, b) => a + b, 0) / Math.max(1, parts.length) }
  }
  setHandler(progressQuery, current, { description: 'Where every stage stands' })
  let shown = ''
  const show = () => {
    const now = current()
    setCurrentDetails(table(now))
    const running = now.stages.filter((s) => s.state === 'running').map((s) => s.stage)
    const text = `${running.join(' ') || 'none'} ${now.fraction.toFixed(2)}`
    if (text === shown) return
    shown = text
    upsertSearchAttributes([
      { key: stageKey, value: running.join(', ') || 'none' },
      { key: progressKey, value: Number(now.fraction.toFixed(3)) },
    ])
  }
  show()

  const outputs = new Map<string, Promise<ArtifactRef>>()
  // A failed stage ends those that run beside it.
  return CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current()
    for (const node of input.stages) {
      const stage = runStage(input, node, outputs, progress.get(node.name)!, show)
      stage.catch(() => scope.cancel())
      outputs.set(node.name, stage)
    }
    const settled = await Promise.allSettled(outputs.values())
    show()
    const failed = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
    // What failed by itself, not what was cancelled because of it.
    if (failed.length > 0) throw failed.find((error) => !isCancelled(error)) ?? failed[0]!
    const entries = await Promise.all([...outputs].map(async ([name, ref]) => [name, await ref] as const))
    return { outputs: Object.fromEntries(entries) }
  })
}

const isCancelled = (error: Error): boolean =>
  error.name === 'CancelledFailure' || (error.cause instanceof Error && isCancelled(error.cause))

async function runStage(
  { plan }: SearchInput,
  node: StageNode,
  outputs: ReadonlyMap<string, Promise<ArtifactRef>>,
  progress: StageProgress,
  show: () => void,
): Promise<ArtifactRef> {
  const needs = await Promise.all(node.needs.map(async (name) => [name, await outputs.get(name)!] as const))
  const request = { plan, stage: node.name, outputs: Object.fromEntries(needs) }
  const activities = (activity: string, summary: string) =>
    proxyActivities<Activities>({ ...taskOptions(node), activityId: `${node.name}/${activity}`, summary })
  progress.state = 'running'
  show()
  try {
    const planned = await activities('plan', `${node.name}: plan`).planStage(request)
    progress.total = planned.total
    show()
    const count = (done: readonly TaskDone[]) => {
      progress.done += done.length
      progress.reused += done.filter(({ reused }) => reused).length
      progress.seconds += done.reduce((n, { seconds, reused }) => n + (reused ? 0 : seconds), 0)
      show()
    }
    const keys = new Array<string>(planned.total)
    await inWindow(planned.groups, groupsAtOnce, async (own) => {
      const { tasks } = planned
      let done: TaskDone[]
      if (own.tasks.length === 1) {
        const task = own.tasks[0]!
        done = [await activities(task.id, `${node.name}: ${task.label}`).executeTask({ ...request, tasks, task })]
      } else
        done = await executeChild<typeof groupWorkflow>('group', {
          args: [{ ...request, tasks, group: own, node }],
          workflowId: `${workflowInfo().workflowId}/${node.name}/${own.name}`,
          parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
          staticSummary: `${node.name}: ${own.name}, ${own.tasks.length} tasks`,
        })
      own.tasks.forEach((task, i) => (keys[task.index] = done[i]!.key))
      count(done)
    })
    const gathered = await activities('gather', `${node.name}: gather`).gatherStage({
      ...request,
      tasks: planned.tasks,
      keys,
    })
    progress.state = 'done'
    show()
    return gathered.outputs
  } catch (error) {
    progress.state = 'failed'
    show()
    throw error
  }
}

function table({ stages, fraction }: SearchProgress): string {
  const rows = stages.map(
    (s) =>
      `| ${s.stage} | ${s.state} | ${s.total ? `${s.done} / ${s.total}` : ''} | ${s.reused || ''} | ${s.seconds ? s.seconds.toFixed(1) : ''} |`,
  )
  const head = ['| stage | state | tasks | reused | seconds of work |', '|---|---|---:|---:|---:|']
  return [`**${Math.round(fraction * 100)} %** of the stages' tasks are done.`, '', ...head, ...rows].join('\n')
}
