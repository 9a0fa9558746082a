import {
  getExternalWorkflowHandle,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
  type SignalDefinition,
} from '@temporalio/workflow'
import {
  endingSignal,
  paceSignal,
  resultsSignal,
  retrySignal,
  skipSignal,
  troubleSignal,
  type GroupResults,
} from './messages.js'
import { taskOptions } from './options.js'
import { Tasks } from './tasks.js'
import type { Activities, GroupInput, TaskResult } from './types.js'

/** The tasks of one group (a layer's), at the pace that its search tells. @returns their results in their order; null where
 *  the stage was ended before */
export async function group({
  group: own,
  node,
  pace,
  skipped,
  ...request
}: GroupInput): Promise<(TaskResult | null)[]> {
  const { parent } = workflowInfo()
  let [done, paused] = [0, pace.paused]
  const show = () =>
    setCurrentDetails(
      `${node.name}, ${own.name}: ${done} of ${own.tasks.length} tasks done${paused ? ', **paused**' : ''}`,
    )
  const tell = <A>(signal: SignalDefinition<[A]>, argument: A) => {
    if (!parent) return
    const search = getExternalWorkflowHandle(parent.workflowId, parent.runId)
    void search.signal(signal, argument).catch(() => undefined)
  }
  // In ten parts at most: each is an event of the search.
  const part = patched('results') ? Math.ceil(own.tasks.length / 10) : Infinity
  let untold: GroupResults['results'][number][] = []
  const tasks = new Tasks({
    node,
    pace,
    execute: (task) => executeTask(node, task, request),
    onTrouble: (task, failure) => tell(troubleSignal, { task: `${node.name}/${task.id}`, ...failure }),
    onEnding: () => tell(endingSignal, node.name),
    onResult: ({ id }, result) => {
      done++
      show()
      untold.push({ task: id, result })
      if (untold.length < part || done === own.tasks.length) return
      tell(resultsSignal, { stage: node.name, results: untold })
      untold = []
    },
  })
  setHandler(paceSignal, (next) => {
    paused = next.paused
    tasks.setPace(next)
    show()
  })
  setHandler(retrySignal, (id) => tasks.retry(id))
  setHandler(skipSignal, ({ id, reason }) => tasks.skip(id, reason))
  for (const { id, reason } of skipped) tasks.skip(id, reason)
  show()
  return (await tasks.run(own.tasks)).map((result) => result ?? null)
}

/** One activity for a task, named for it. */
export function executeTask(
  node: GroupInput['node'],
  task: GroupInput['group']['tasks'][number],
  request: Pick<GroupInput, 'plan' | 'stage' | 'outputs' | 'tasks' | 'keys'>,
) {
  const { executeTask } = proxyActivities<Activities>({
    ...taskOptions(node),
    activityId: `${node.name}/${task.id}`,
    summary: `${node.name}: ${task.label}`,
  })
  return executeTask({ ...request, task })
}
