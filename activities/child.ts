/** A child process: does one job at a time for the worker, and ends with it. */
import '../tensor/telemetry.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, type Outputs, type RunningTask, type StageContext } from '../api/index.js'
import { withCode } from '../plugins/loading/load.js'
import { withPlace } from '../plugins/place.js'
import { loadPlugins, onlyRuns, type Loaded } from '../plugins/registry.js'
import { digestJson } from '../store/digest.js'
import { openStore, type Store } from '../store/index.js'
import { machineStateDirectory } from '../store/paths.js'
import { inWindow } from '../lineage/in-window.js'
import { attemptLog } from './attempt-log.js'
import { checkedOutputs, requireNone } from './checked-outputs.js'
import { onlyTask } from '../lineage/keys.js'
import type { Job, Message } from './job.js'
import { stageEnvironment } from './stage-environment.js'
import { plannedStage } from '../lineage/keys.js'
import { resolvedParams } from './resolved-params.js'

/** A remote store answers each request late, but many in parallel. */
const recordsAtOnce = 16

const abort = new AbortController()
const send = (message: Message) => process.send?.(message)

/** Open stores: a warm process need not verify again what it has verified once. */
const stores = new Map<string, Store>()

async function work(job: Job, note: ReturnType<typeof attemptLog>): Promise<unknown> {
  const store = stores.get(job.store) ?? (await openStore(job.store))
  stores.set(job.store, store)
  try {
    return await workWith(store, job, note)
  } finally {
    await store.release()
  }
}

async function workWith(store: Store, job: Job, note: ReturnType<typeof attemptLog>): Promise<unknown> {
  const loaded = await withCode(await builtIn(), job.plan.plugins)
  const planned = plannedStage(job.plan, job.stage)
  const stage = loaded.stage(planned.uses)
  const environment = (reads: readonly string[]) =>
    stageEnvironment(job.plan, store, loaded, reads, (text, fields) =>
      send({ kind: 'log', text, ...(fields === undefined ? {} : { fields }) }),
    )
  const whole = async (): Promise<StageContext> => {
    const stages: Record<string, Outputs> = {}
    for (const [name, ref] of Object.entries(job.outputs)) stages[name] = (await store.readJson(ref)) as Outputs
    return { ...environment(stage.reads), params: resolvedParams(planned, stage, stages), stages }
  }
  if (stage.gate && job.kind === 'ask') return stage.ask(await whole())
  if (stage.gate || job.kind === 'ask') throw new Error(`Internal error: ${job.stage} cannot ${job.kind}`)
  if (job.kind === 'plan') return stage.plan ? stage.plan(await whole()) : [onlyTask(job.stage)]
  const scratch = await mkdtemp(join(await store.scratch(), 'task-'))
  const progress = (fraction: number, text: string) => {
    note('progress', text)
    send({ kind: 'progress', fraction, text })
  }
  const { threads } = job
  try {
    if (job.kind === 'run') {
      const { checkpoint } = job
      const { signal } = abort
      const running: RunningTask = {
        scratch,
        threads,
        progress,
        checkpoint,
        signal,
        machineState: machineStateDirectory(),
      }
      if (!stage.plan) {
        const outputs = checkedOutputs(job.stage, await stage.run({ ...(await whole()), ...running }))
        if (stage.checks === true) requireNone(job.stage, outputs)
        return outputs
      }
      const { task } = job
      const runs = onlyRuns(loaded.runs, task.runs)
      const context = { ...environment(stage.taskReads ?? []), runs, ...running, task }
      return checkedOutputs(`${job.stage}/${job.task.id}`, await stage.run(context))
    }
    const done = job.tasks.flatMap((plan, i) =>
      job.keys[i] ? [{ plan, key: job.keys[i], expected: job.records?.[i] }] : [],
    )
    const tasks = await inWindow(done, recordsAtOnce, async ({ plan, key, expected }) => {
      const record = await store.getRecord(key)
      if (!record || (job.records && digestJson(record) !== expected))
        throw new Error(`Internal error: no record of ${plan.id}`)
      return { plan, outputs: record.outputs as Outputs }
    })
    if (!stage.plan) return tasks[0]!.outputs
    if (stage.gather)
      return checkedOutputs(
        `${job.stage}: gather`,
        await stage.gather({ ...(await whole()), tasks, skipped: job.skipped, scratch, threads, progress }),
      )
    return {
      values: { tasks: Object.fromEntries(tasks.map((t) => [t.plan.id, t.outputs.values])) },
      files: {},
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** The registry that a plan's plugins extend. Tests name another module. */
async function builtIn(): Promise<Loaded> {
  const other = process.env.PUZZLEFLOW_TEST_REGISTRY
  if (other === undefined) return loadPlugins()
  return ((await import(other)) as { loadPlugins: () => Loaded }).loadPlugins()
}

let working = false

/** An error that nothing handles: neither the task nor the process can be trusted after it. */
function onStray(error: unknown): void {
  if (!working) process.exit(1)
  working = false
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  const text = `Uncaught error in the task: ${message}`
  process.send?.({ kind: 'failed', type: 'TaskError', message: text, stack, over: true } satisfies Message)
}
process.on('uncaughtException', onStray)
process.on('unhandledRejection', onStray)

process.on('message', (job: Job) => {
  const note = attemptLog(job)
  note('begin')
  working = true
  work(job, note).then(
    (result) => {
      note('end')
      working = false
      send({ kind: 'done', result })
    },
    (thrown: unknown) => {
      note('end')
      working = false
      const error = withPlace(thrown)
      const failure = error instanceof Failure ? error : undefined
      const other = error instanceof Error ? error : new Error(String(error))
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC'
      send({
        kind: 'failed',
        type:
          failure?.kind ?? (full ? 'OutOfDisk' : other.name === 'MissingArtifact' ? 'MissingArtifact' : 'TaskError'),
        message: other.message,
        remedy: (other as { remedy?: string }).remedy,
        file: failure?.file,
        stack: other.stack,
      })
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => abort.abort(new Error('The task was cancelled')))
// Ctrl-C in the terminal is meant for the command, which decides what happens to its children.
process.on('SIGINT', () => undefined)
