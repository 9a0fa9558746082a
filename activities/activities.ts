import { Context, getClient } from '@temporalio/activity'
import { hostname } from 'node:os'
import { Failure, outcomeOf, type Outputs, type TaskPlan } from '../api/index.js'
import { withDescriptions } from '../plugins/loading/load.js'
import type { Loaded } from '../plugins/registry.js'
import { planDocument } from '../lineage/plan-document.js'
import type { PlannedStage } from '../spec/frozen-plan.js'
import { needName } from '../spec/need-name.js'
import { storeKeyVariable, type ArtifactRef, type Digest } from '../store/index.js'
import type {
  Activities,
  GatherRequest,
  Skipped,
  StageRequest,
  TaskGroup,
  TaskRef,
  TaskRequest,
} from '../workflows/types.js'
import { CheckedInputs } from './checked-inputs.js'
import { checkForm, checkTypes } from './checked-plan.js'
import { summaryMarkdown } from '../errors/markdown.js'
import { guardWith } from './guard.js'
import { blaming, pluginsOf } from './blame.js'
import {
  gatherKey,
  planKey,
  plannedStage,
  stageParams,
  taskKey,
  taskKeys,
  type Key,
  type KeyParts,
} from '../lineage/keys.js'
import { boundsHere, checkTasks, pagesOf } from './pages.js'
import { recent, recentJson } from './recent.js'
import { recordsOf, resultsOf, reuseOr, type ReuseServices, type Runner } from './reuse.js'
import { KeyLocks } from './slots.js'

export interface Services extends Omit<ReuseServices, 'locks'> {
  /** What plans can use without plugins. */
  readonly loaded: Loaded
}

/** A stage of a plan, and the outputs of those that it needs. */
interface OpenStage extends KeyParts {
  readonly known: Readonly<Record<string, Outputs>>
}

/** The activities of a worker. Each looks its key up in the store before it does any work. */
export function makeActivities(services: Services): Activities {
  const { store } = services
  const reuse: ReuseServices = { ...services, locks: new KeyLocks() }
  const guarded = guardWith(services.watch)
  const read = recentJson(store)
  const openPlan = recent(async (ref) => {
    const plan = checkForm(await read(ref))
    if (store.signing && !(await store.getDocument(planDocument(ref.digest))))
      throw new Failure('InvalidInput', `The plan ${ref.digest.slice(0, 12)} is refused: it is not signed`, {
        remedy: `Start the run with the key that its workers have: ${storeKeyVariable}.`,
      })
    const loaded = await withDescriptions(services.loaded, plan.plugins)
    checkTypes(plan, loaded)
    return { plan, loaded }
  })
  const inputs = new CheckedInputs()
  const checkedLists = new WeakSet<readonly TaskPlan[]>()
  const open = async ({ plan: ref, stage: name, outputs: given }: StageRequest): Promise<OpenStage> => {
    const { plan, loaded } = await openPlan(ref)
    const planned = plannedStage(plan, name)
    const stage = loaded.stage(planned.uses)
    checkNeeds(planned, given)
    const outputs = Object.fromEntries(Object.entries(given).map(([need, own]) => [needName(planned, need), own]))
    const known: Record<string, Outputs> = {}
    for (const [need, own] of Object.entries(outputs)) known[need] = (await read(own)) as Outputs
    return { plan, planned, stage, params: stageParams(planned, known), outputs, known }
  }
  /** A task of a stage that measures has the machine to itself; planning and gathering need not. */
  const isExclusive = ({ planned }: KeyParts, task?: TaskPlan) => task !== undefined && planned.exclusive === true
  const job = (parts: KeyParts, { stage }: StageRequest, task?: TaskPlan) => {
    const { plan, planned, outputs } = parts
    // Who says what a task may hold at most says what it needs, unless the task says less.
    const needs = task && (task.memory ?? planned.memory)
    return {
      plan,
      stage,
      outputs,
      store: store.location,
      threads: isExclusive(parts, task) ? services.slots.size : 1,
      limits: {
        disk: store.root,
        ...(planned.timeout !== undefined && { seconds: planned.timeout }),
        ...(planned.memory !== undefined && { memory: planned.memory }),
      },
      ...(needs !== undefined && { needs }),
      plugins: pluginsOf(plan, planned, task).map(({ digest }) => digest),
    }
  }
  /** The record of a key, made when it is not there; whose fault it is that it cannot be made is said. */
  const reused = (
    own: Key,
    what: string,
    parts: KeyParts,
    task: TaskPlan | undefined,
    work: (run: Runner) => Promise<Outputs>,
  ) =>
    reuseOr(reuse, own, what, isExclusive(parts, task), async (run) => {
      await inputs.check(parts.plan, parts.planned, parts.stage)
      return work(run).catch((error: unknown) => {
        throw blaming(error, what, pluginsOf(parts.plan, parts.planned, task))
      })
    })
  const questionOf = async (request: StageRequest, parts: OpenStage) => {
    const { planned, stage, params, known } = parts
    if (planned.plugin === undefined && stage.gate) return stage.ask({ params, stages: known })
    // The code of a plugin runs in child processes only.
    const { cancellationSignal: signal } = Context.current()
    const options = { what: request.stage, signal, onProgress: () => undefined, log: services.watch.log }
    return (await services.host.run({ ...job(parts, request), kind: 'ask' }, options)) as string
  }
  const tasksOf = async (ref: ArtifactRef, { stage }: StageRequest) => {
    const tasks = (await read(ref)) as TaskPlan[]
    if (!checkedLists.has(tasks)) checkTasks(stage, tasks, boundsHere())
    checkedLists.add(tasks)
    return tasks
  }
  /** Tasks as workflows see them. @param from  index of the first one */
  const refsOf = async (parts: KeyParts, tasks: readonly TaskPlan[], from: number): Promise<TaskRef[]> => {
    const keyOf = taskKeys(parts)
    const keys = tasks.map((task) => keyOf(task).key)
    const results = await resultsOf(store, keys)
    return tasks.map(({ id, label }, i) => ({
      index: from + i,
      id,
      label: summaryMarkdown(label),
      ...(results[i] && { found: keys[i]! }),
    }))
  }
  /** All that are left out, in the order of the tasks. */
  const leftOutOf = async (
    tasks: readonly TaskPlan[],
    { skipped, leftOut = [] }: Pick<GatherRequest, 'skipped' | 'leftOut'>,
  ): Promise<readonly Skipped[]> => {
    const lists = await Promise.all(leftOut.map((ref) => store.readJson(ref) as Promise<readonly Skipped[]>))
    const byTask = new Map([...skipped, ...lists.flat()].map((own) => [own.task, own]))
    return tasks.flatMap(({ id }) => byTask.get(id) ?? [])
  }

  return {
    planStage: guarded(async (request) => {
      const parts = await open(request)
      const { outputs } = await reused(planKey(parts), `${request.stage}: plan`, parts, undefined, async (run) => {
        const tasks = (await run({ ...job(parts, request), kind: 'plan' })) as TaskPlan[]
        checkTasks(request.stage, tasks, boundsHere())
        return { values: {}, files: { tasks: await store.putJson('tasks', tasks) } }
      })
      const ref = outputs.files.tasks
      if (!ref) throw wrongTasks(request.stage)
      const tasks = await tasksOf(ref, request)
      const keyOf = taskKeys(parts)
      const told = parts.planned.queue !== undefined && { keys: await store.putJson('task-keys', tasks.map(keyOf)) }
      const pages = pagesOf(tasks, boundsHere())
      if (pages) return { tasks: ref, ...told, groups: [], pages, total: tasks.length }
      const groups = new Map<string, TaskGroup & { tasks: TaskGroup['tasks'][number][] }>()
      for (const taskRef of await refsOf(parts, tasks, 0)) {
        const { id, group = id } = tasks[taskRef.index]!
        if (!groups.has(group)) groups.set(group, { name: group, tasks: [] })
        groups.get(group)!.tasks.push(taskRef)
      }
      return { tasks: ref, ...told, groups: [...groups.values()], total: tasks.length }
    }),

    pageTasks: guarded(async ({ tasks: ref, page: { from, to }, ...request }) =>
      refsOf(await open(request), (await tasksOf(ref, request)).slice(from, to), from),
    ),

    findTask: guarded(async ({ tasks: ref, id, ...request }) => {
      const index = (await tasksOf(ref, request)).findIndex((task) => task.id === id)
      return index < 0 ? null : index
    }),

    keepLeftOut: guarded(({ skipped }) => store.putJson('left-out', skipped)),

    executeTask: guarded(async (request) => {
      const parts = await open(request)
      const task = taskAt(await tasksOf(request.tasks, request), request)
      const key = taskKey(parts, task)
      const { done } = await reused(key, nameOf(request.stage, task), parts, task, async (run) => {
        const checkpoint = await store.checkpoint(key.key)
        const outputs = await run({ ...job(parts, request, task), kind: 'run', task, key: key.key, checkpoint })
        return outputs as Outputs
      })
      return done
    }),

    approval: guarded(async ({ answer, ...request }) => {
      const parts = await open(request)
      if (!parts.stage.gate) throw new Error(`Internal error: ${request.stage} is not a gate`)
      const { key, components } = planKey(parts)
      const now = new Date().toISOString()
      const values = answer && {
        approved: answer.approved,
        by: answer.by ?? null,
        comment: answer.comment ?? null,
        at: now,
      }
      // A refusal ends the run, and is asked again by the next one.
      if (values?.approved) {
        const record = { version: 1 as const, key, components, outputs: { values, files: {} } }
        await store.putRecord({ ...record, seconds: 0, finishedAt: now, host: hostname() })
      }
      const approval = values ?? (await store.useRecord(key))?.outputs.values
      if (!approval) return { kind: 'open', question: await questionOf(request, parts) }
      if (approval.approved !== true) return { kind: 'refused', ...(answer?.comment && { comment: answer.comment }) }
      // Who approved it and when is evidence: nothing that comes after depends on that.
      return { kind: 'approved', outputs: await store.putJson('outputs', { values: { approved: true }, files: {} }) }
    }),

    gatherStage: guarded(async (request) => {
      const parts = await open(request)
      const tasks = await tasksOf(request.tasks, request)
      const skipped = await leftOutOf(tasks, request)
      const keys = keysWithout(parts, tasks, skipped)
      if (request.keys && JSON.stringify(request.keys) !== JSON.stringify(keys)) throw wrongTasks(request.stage)
      const gathering = gatherKey(parts, keys, tasks)
      const { done, outputs } = await reused(gathering, `${request.stage}: gather`, parts, undefined, async (run) => {
        return (await run({
          ...job(parts, request),
          kind: 'gather',
          tasks,
          keys,
          skipped,
          ...(store.signing && { records: await recordsOf(store, keys) }),
        })) as Outputs
      })
      const { values, files } = outputs
      const outcome = outcomeOf(values)
      return { ...done, ...(outcome && { outcome }), outputs: await store.putJson('outputs', { values, files }) }
    }),

    async cancelRun() {
      const { workflowId, runId } = Context.current().info.workflowExecution!
      await getClient().workflow.getHandle(workflowId, runId).cancel()
    },
  }
}

const wrongTasks = (stage: string) =>
  new Failure('InvalidInput', `The tasks of stage ${stage} do not match its list`, {
    remedy: 'Run the same command again: what is finished is kept.',
  })

/** A stage gets the outputs of the stages that it needs: keys depend on which these are. */
function checkNeeds({ name, needs }: PlannedStage, outputs: StageRequest['outputs']): void {
  if (Object.keys(outputs).sort().join() !== [...needs].sort().join())
    throw new Failure('InvalidInput', `The stage ${name} must get the outputs of ${needs.join(', ') || 'no stage'}`)
}

function taskAt(tasks: readonly TaskPlan[], { stage, task: { index } }: TaskRequest): TaskPlan {
  const task = Number.isInteger(index) ? tasks[index] : undefined
  if (!task) throw wrongTasks(stage)
  return task
}

/** Keys of tasks in their order; null where one is left out. */
function keysWithout(parts: KeyParts, tasks: readonly TaskPlan[], skipped: readonly Skipped[]): (Digest | null)[] {
  const keyOf = taskKeys(parts)
  const left = new Set(skipped.map(({ task }) => task))
  return tasks.map((task) => (left.has(task.id) ? null : keyOf(task).key))
}

/** `distill/layer00/ffn/linear`: a task for people. */
const nameOf = (stage: string, { id }: TaskPlan) => (id === stage ? stage : `${stage}/${id}`)
