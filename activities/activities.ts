import { Context, getClient } from '@temporalio/activity'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { hostname } from 'node:os'
import type { Outputs, TaskPlan } from '../plugins/api/index.js'
import { withDescriptions } from '../plugins/loading/load.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { MissingArtifact, type ArtifactRef, type Digest, type Store, type TaskRecord } from '../store/index.js'
import type { Activities, StageRequest, TaskDone, TaskGroup } from '../workflows/types.js'
import { inWindow } from './in-window.js'
import { CheckpointKeeper } from './checkpoint-keeper.js'
import { FailureCount } from './failure-count.js'
import { ChildFailure, Crash, type Host } from './host.js'
import type { Job } from './job.js'
import { gatherKey, planKey, plannedStage, stageParams, taskKey, type Key, type KeyParts } from './keys.js'
import { KeyLocks, type Slots } from './slots.js'

export interface Services {
  readonly store: Store
  readonly host: Pick<Host, 'run' | 'log'>
  readonly slots: Slots
  /** What plans can use without plugins. */
  readonly loaded: Loaded
}

/** Failures by kind; what is not here is retried as long as the stage's policy says (workflows/options.ts). Attempts that
 *  were lost with a worker or a server do not count: in a long task there may be any number of them. */
const mostFailures: Readonly<Record<string, number>> = {
  // After as many it is a defect of the stage, not of the circumstances.
  TaskError: 3,
  Crash: 10,
  // With the back-off a quarter of an hour to make space.
  OutOfDisk: 20,
  OutOfMemory: 20,
  // As long for a store to come back.
  NoServer: 20,
}

/** Artifacts looked up at once: one by one from the disk would be as fast, from elsewhere not. */
const artifactsAtOnce = 8

const remedies: Readonly<Record<string, string>> = {
  MissingArtifact: 'Run it again: what is missing is made anew, all else is reused.',
  TaskError: 'See logs/tasks.log in the store for the stack.',
  Crash: 'See logs/tasks.log in the store; a process that SIGKILL ended may have had too little memory.',
}

/** A stage of a plan, and the outputs of those that it needs. */
interface OpenStage extends KeyParts {
  readonly known: Readonly<Record<string, Outputs>>
}

/** The activities of a worker. Each looks its key up in the store before it does any work. */
export function makeActivities(services: Services): Activities {
  const { store } = services
  const reuse = { ...services, locks: new KeyLocks() }
  const failures = new FailureCount()
  const open = async ({ plan: ref, stage: name, outputs }: StageRequest): Promise<OpenStage> => {
    const plan = (await store.readJson(ref)) as FrozenPlan
    const planned = plannedStage(plan, name)
    const stage = (await withDescriptions(services.loaded, plan.plugins)).stage(planned.uses)
    const known: Record<string, Outputs> = {}
    for (const [need, own] of Object.entries(outputs)) known[need] = (await store.readJson(own)) as Outputs
    return { plan, planned, stage, params: stageParams(planned, known), outputs, known }
  }
  const job = (plan: FrozenPlan, { stage, outputs }: StageRequest, exclusive: boolean) => ({
    plan,
    stage,
    outputs,
    store: store.location,
    threads: exclusive ? services.slots.size : 1,
  })
  const questionOf = async (request: StageRequest, { plan, planned, stage, params, known }: OpenStage) => {
    if (planned.plugin === undefined && stage.gate) return stage.ask({ params, stages: known })
    // The code of a plugin runs in child processes only.
    const options = { what: request.stage, signal: Context.current().cancellationSignal, onProgress: () => undefined }
    return (await services.host.run({ ...job(plan, request, false), kind: 'ask' }, options)) as string
  }
  const tasksOf = async (ref: ArtifactRef) => (await store.readJson(ref)) as TaskPlan[]

  return {
    planStage: guarded(failures, async (request) => {
      const parts = await open(request)
      const { outputs } = await reuseOr(reuse, planKey(parts), `${request.stage}: plan`, false, async (run) => {
        const tasks = (await run({ ...job(parts.plan, request, false), kind: 'plan' })) as TaskPlan[]
        checkTasks(request.stage, tasks)
        return { values: {}, files: { tasks: await store.putJson('tasks', tasks) } }
      })
      const ref = outputs.files.tasks!
      const tasks = await tasksOf(ref)
      const groups = new Map<string, TaskGroup & { tasks: TaskGroup['tasks'][number][] }>()
      for (const [index, { id, label, group = id }] of tasks.entries()) {
        if (!groups.has(group)) groups.set(group, { name: group, tasks: [] })
        groups.get(group)!.tasks.push({ index, id, label })
      }
      return { tasks: ref, groups: [...groups.values()], total: tasks.length }
    }),

    executeTask: guarded(failures, async (request) => {
      const parts = await open(request)
      const task = (await tasksOf(request.tasks))[request.task.index]!
      const own = taskKey(parts, task)
      const exclusive = parts.planned.exclusive === true
      const { done } = await reuseOr(reuse, own, nameOf(request.stage, task), exclusive, async (run) => {
        const outputs = await run({ ...job(parts.plan, request, exclusive), kind: 'run', task, key: own.key })
        return outputs as Outputs
      })
      return done
    }),

    approval: guarded(failures, async ({ answer, ...request }) => {
      const parts = await open(request)
      if (!parts.stage.gate) throw new Error(`Internal error: ${request.stage} is no gate`)
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
      const found = values ?? (await store.useRecord(key))?.outputs.values
      if (!found) return { kind: 'open', question: await questionOf(request, parts) }
      if (found.approved !== true) return { kind: 'refused', ...(answer?.comment && { comment: answer.comment }) }
      // Who approved it and when is evidence: nothing that comes after depends on that.
      return { kind: 'approved', outputs: await store.putJson('outputs', { values: { approved: true }, files: {} }) }
    }),

    gatherStage: guarded(failures, async (request) => {
      const parts = await open(request)
      const tasks = await tasksOf(request.tasks)
      const keys = request.keys as readonly (Digest | null)[]
      const own = gatherKey(parts, keys, tasks)
      const { done, outputs } = await reuseOr(reuse, own, `${request.stage}: gather`, false, async (run) => {
        return (await run({
          ...job(parts.plan, request, false),
          kind: 'gather',
          tasks,
          keys,
          skipped: request.skipped,
        })) as Outputs
      })
      return { ...done, outputs: await store.putJson('outputs', { values: outputs.values, files: outputs.files }) }
    }),

    async cancelRun() {
      const { workflowId, runId } = Context.current().info.workflowExecution!
      await getClient().workflow.getHandle(workflowId, runId).cancel()
    },
  }
}

/** `distill/layer00/ffn/linear`: a task for people. */
const nameOf = (stage: string, { id }: TaskPlan) => (id === stage ? stage : `${stage}/${id}`)

type Runner = (job: Job) => Promise<unknown>

/** The record of a key, made by `work` when it is not there or its artifacts are lost. */
async function reuseOr(
  { store, host, slots, locks }: Services & { readonly locks: KeyLocks },
  { key, components }: Key,
  what: string,
  exclusive: boolean,
  work: (run: Runner) => Promise<Outputs>,
): Promise<{ done: TaskDone; outputs: Outputs }> {
  const heart = Context.current()
  const { cancellationSignal: signal } = heart
  // Without heartbeats the server takes the worker for dead; they also bring cancellation.
  let last: unknown = { fraction: 0, text: 'waiting for a place' }
  const pulse = setInterval(() => heart.heartbeat(last), Math.min(4000, (heart.info.heartbeatTimeoutMs ?? 20_000) / 5))
  const releases: (() => void)[] = []
  try {
    releases.push(await locks.take(key, signal))
    const before = await finished(store, key)
    if (before.result) return before.result
    releases.push(await slots.take(exclusive, signal))
    const begin = performance.now()
    let outputs: Outputs
    try {
      outputs = await work(async (job) => {
        const keeper = await CheckpointKeeper.start(store, key, (text) => host.log(`${what}: ${text}`))
        const onProgress = (fraction: number, text: string) => {
          last = { fraction, text }
          heart.heartbeat(last)
          keeper.offer()
        }
        try {
          return await host.run(job, { what, signal, onProgress })
        } catch (error) {
          await keeper.saveLast()
          throw error
        } finally {
          await keeper.end()
        }
      })
    } catch (error) {
      // An attempt on a worker that was thought lost may have been faster, and have taken the checkpoint away.
      const { result } = await finished(store, key)
      if (!result) throw error
      await store.removeCheckpoint(key)
      return result
    }
    const seconds = (performance.now() - begin) / 1000
    const finishedAt = new Date().toISOString()
    const made = { version: 1, key, components, outputs, seconds, finishedAt, host: hostname() } as const
    const kept = await store.putRecord(made, before.record)
    await store.removeCheckpoint(key)
    return { done: { key, reused: false, seconds }, outputs: kept.outputs as Outputs }
  } finally {
    clearInterval(pulse)
    releases.forEach((release) => release())
  }
}

/** What a key's record tells, if all its artifacts are there. */
async function finished(
  store: Store,
  key: Digest,
): Promise<{ readonly record: TaskRecord | undefined; readonly result?: { done: TaskDone; outputs: Outputs } }> {
  const record = await store.useRecord(key)
  if (!record || !(await everyArtifact(store, record.outputs.files))) return { record }
  return {
    record,
    result: { done: { key, reused: true, seconds: record.seconds }, outputs: record.outputs as Outputs },
  }
}

async function everyArtifact(store: Store, files: Readonly<Record<string, ArtifactRef>>): Promise<boolean> {
  const there = await inWindow(Object.values(files), artifactsAtOnce, (ref) => store.has(ref))
  return there.every((isThere) => isThere)
}

function checkTasks(stage: string, tasks: readonly TaskPlan[]): void {
  const ids = new Set<string>()
  for (const { id } of tasks) {
    if (ids.has(id))
      throw new ChildFailure(
        'PluginBug',
        `The stage ${stage} planned two tasks "${id}"`,
        undefined,
        undefined,
        undefined,
      )
    ids.add(id)
  }
}

/** Turns errors into what Temporal knows: failures with a type, of which some are worth no other attempt. */
function guarded<A, R>(failures: FailureCount, activity: (argument: A) => Promise<R>): (argument: A) => Promise<R> {
  return async (argument) => {
    const { attempt, activityId, workflowExecution } = Context.current().info
    const id = `${workflowExecution?.runId}/${activityId}`
    if (attempt === 1) failures.forget(id)
    try {
      const result = await activity(argument)
      failures.forget(id)
      return result
    } catch (error) {
      if (error instanceof CancelledFailure || error instanceof ApplicationFailure) throw error
      const cause = error as Error
      const type =
        error instanceof ChildFailure
          ? error.type
          : error instanceof Crash || error instanceof MissingArtifact
            ? cause.name
            : ((error as { kind?: string }).kind ?? 'TaskError')
      const { remedy = remedies[type], file } = error as { remedy?: string; file?: string }
      const details = [{ remedy, file }]
      const nonRetryable = failures.add(id, type) >= (mostFailures[type] ?? Infinity)
      if (nonRetryable) failures.forget(id)
      throw ApplicationFailure.create({ message: cause.message, type, details, nonRetryable })
    }
  }
}
