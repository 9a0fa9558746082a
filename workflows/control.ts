import { CancellationScope, patched, setHandler } from '@temporalio/workflow'
import {
  approveUpdate,
  cancelUpdate,
  concurrencyUpdate,
  endingSignal,
  pageSignal,
  pauseUpdate,
  resultsSignal,
  resumeUpdate,
  retryUpdate,
  skipUpdate,
  troubleSignal,
  type TaskName,
} from './messages.js'
import type { Approval } from './types.js'
import { mostConcurrency, type SearchPace } from './groups.js'
import { promptActivities } from './options.js'
import { noSuchTask, type StageRun } from './stage.js'
import type { StageNode } from './types.js'

/** What messages act on. */
export interface Controlled {
  readonly nodes: readonly StageNode[]
  /** Stages that have begun. */
  readonly runs: ReadonlyMap<string, StageRun>
  readonly pace: () => SearchPace
  /** @returns when everything that runs knows it */
  readonly setPace: (next: Partial<SearchPace>) => Promise<void>
}

/** Handles the updates of a search. A validator refuses what makes no sense before it is in the history. */
export function handleMessages({ nodes, runs, pace, setPace }: Controlled): void {
  const find = (name: TaskName) => taskOf(nodes, runs, name)
  const refuse = (message: string): never => {
    throw new Error(message)
  }
  // Who gets an answer can rely on it. Runs that began before this rule get their answer immediately.
  const tell = (next: Partial<SearchPace>, answer: string): string | Promise<string> => {
    const told = setPace(next)
    return patched('told') ? told.then(() => answer) : answer
  }

  setHandler(pauseUpdate, () => tell({ paused: true }, 'Paused: running tasks save a checkpoint and stop.'), {
    description: 'Start no more tasks; running ones save a checkpoint and stop',
    validator: () => void (pace().paused && refuse('It is already paused.')),
  })
  setHandler(resumeUpdate, () => tell({ paused: false }, 'Resumed.'), {
    description: 'Continue after a pause',
    validator: () => void (pace().paused || refuse('It is not paused.')),
  })
  setHandler(
    cancelUpdate,
    async () => {
      // By the server, so that the run ends as cancelled; this must not be cancelled itself.
      const activities = promptActivities({
        startToCloseTimeout: 60_000,
        summary: 'cancel',
        allowEagerDispatch: false,
      })
      await CancellationScope.nonCancellable(() => activities.cancelRun())
      return 'Cancelling: finished work is kept.'
    },
    { description: 'End the search; finished work is kept' },
  )
  setHandler(concurrencyUpdate, (concurrency) => tell({ concurrency }, `At most ${concurrency} tasks in flight.`), {
    description: 'Set how many tasks may run at the same time',
    validator: (n: number) =>
      void (
        (Number.isInteger(n) && n >= 1 && n <= mostConcurrency) ||
        refuse(`It must be a whole number from 1 to ${mostConcurrency}.`)
      ),
  })
  setHandler(
    retryUpdate,
    (name) => {
      const { run, id } = find(name)
      const answer = `${name.task} is tried again, unless it is done.`
      return after(run.retry(id), answer)
    },
    { description: 'Try a task again now', validator: (name: TaskName) => void find(name) },
  )
  setHandler(
    skipUpdate,
    ({ task, reason }) => {
      const { run, id } = find({ task })
      const answer = `${task} is left out, unless it is done.`
      return after(run.skip(id, reason ?? 'left out by hand'), answer)
    },
    {
      description: 'Leave a task out of a stage that can do without',
      validator: (name: TaskName) => {
        const { node } = find(name)
        if (!node.partial) refuse(`Stage ${node.name} cannot do without any of its tasks.`)
      },
    },
  )
  setHandler(
    approveUpdate,
    (answer) => {
      runs.get(answer.stage)!.approve(answer)
      return answer.approved ? `${answer.stage} is approved.` : `${answer.stage} is refused.`
    },
    {
      description: 'Answer a stage that waits for a person',
      validator: (answer: Partial<Approval> | undefined) => {
        const { stage = '', approved } = answer ?? {}
        if (typeof approved !== 'boolean') refuse('"approved" must be true or false.')
        if (!runs.get(stage)?.asks) refuse(`Stage ${stage} does not wait for approval.`)
      },
    },
  )
  setHandler(resultsSignal, ({ stage, results }) => runs.get(stage)?.hear(results))
  setHandler(pageSignal, (news) => runs.get(news.stage)?.hearPage(news))
  setHandler(endingSignal, (stage) => runs.get(stage)?.end())
  setHandler(troubleSignal, ({ task, message, remedy }) => {
    const found = split(nodes, task)
    const failure = message === undefined ? undefined : { message, ...(remedy === undefined ? {} : { remedy }) }
    if (found) runs.get(found.node.name)?.trouble(found.id, failure)
  })
}

/** An answer when something is done, which may be now. */
const after = (done: void | Promise<void>, answer: string): string | Promise<string> =>
  done ? done.then(() => answer) : answer

/** `distill/layer03/ffn/linear` is task `layer03/ffn/linear` of stage `distill`. */
function split(nodes: readonly StageNode[], task: string): { node: StageNode; id: string } | undefined {
  const [stage, ...rest] = String(task).split('/')
  const node = nodes.find(({ name }) => name === stage)
  return node && { node, id: rest.length > 0 ? rest.join('/') : node.name }
}

function taskOf(nodes: readonly StageNode[], runs: ReadonlyMap<string, StageRun>, name: Partial<TaskName> | undefined) {
  // From the UI anything may come.
  const { task = '' } = name ?? {}
  const found = split(nodes, task)
  if (!found) throw new Error(`No stage has the task "${task}": task names look like ${nodes[0]?.name}/TASK.`)
  const run = runs.get(found.node.name)
  if (!run?.inPages && !run?.has(found.id)) throw new Error(noSuchTask(found.node.name, found.id))
  return { ...found, run }
}
