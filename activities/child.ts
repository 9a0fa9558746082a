/** A child process: does one job at a time, as the worker asks. It ends with the worker. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, type Outputs, type Stage, type StageContext } from '../plugins/api/index.js'
import { withCode } from '../plugins/loading/load.js'
import { loadPlugins, type Loaded } from '../plugins/registry.js'
import { FileStore } from '../store/index.js'
import { machineStateDirectory } from '../store/paths.js'
import { onlyTask, type Job, type Message } from './job.js'
import { plannedStage, stageParams } from './keys.js'

const abort = new AbortController()
const send = (message: Message) => process.send?.(message)

async function context(job: Job, store: FileStore, loaded: Loaded, stage: Stage): Promise<StageContext> {
  const planned = plannedStage(job.plan, job.stage)
  const stages: Record<string, Outputs> = {}
  for (const [name, ref] of Object.entries(job.outputs)) stages[name] = (await store.readJson(ref)) as Outputs
  return {
    params: stageParams(planned, stages),
    spec: Object.fromEntries(stage.reads.filter((n) => n in job.plan.inputs).map((n) => [n, job.plan.inputs[n]!])),
    inputDigests: job.plan.inputDigests,
    seed: job.plan.seed,
    stages,
    blocks: loaded.blocks,
    open: (ref) => store.path(ref),
    put: (kind, data) => (data instanceof Uint8Array ? store.putBytes(kind, data) : store.putJson(kind, data)),
    putFile: (kind, path) => store.putFile(kind, path),
    log: (text, fields) => send({ kind: 'log', text, ...(fields === undefined ? {} : { fields }) }),
  }
}

async function work(job: Job): Promise<unknown> {
  const loaded = await withCode(await builtIn(), job.plan.plugins)
  const stage = loaded.stage(plannedStage(job.plan, job.stage).uses)
  const store = new FileStore(job.storeRoot)
  const own = await context(job, store, loaded, stage)
  if (job.kind === 'plan') return stage.plan ? stage.plan(own) : [onlyTask(job.stage)]
  const scratch = await mkdtemp(join(await store.scratch(), 'task-'))
  const progress = (fraction: number, text: string) => send({ kind: 'progress', fraction, text })
  try {
    if (job.kind === 'run')
      return await stage.run({
        ...own,
        task: job.task,
        checkpoint: await store.checkpoint(job.key),
        scratch,
        machineState: machineStateDirectory(),
        threads: job.threads,
        signal: abort.signal,
        progress,
      })
    const tasks = []
    for (const [i, plan] of job.tasks.entries()) {
      const record = await store.getRecord(job.keys[i]!)
      if (!record) throw new Error(`Internal error: no record of ${plan.id}`)
      tasks.push({ plan, outputs: record.outputs as Outputs })
    }
    if (stage.gather) return await stage.gather({ ...own, tasks, scratch, threads: job.threads, progress })
    if (!stage.plan) return tasks[0]!.outputs
    return {
      values: { tasks: Object.fromEntries(tasks.map((t) => [t.plan.id, t.outputs.values])) },
      files: {},
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** The registry that a plan's plugins add to: another module in tests. */
async function builtIn(): Promise<Loaded> {
  const other = process.env.PUZZLEFLOW_TEST_REGISTRY
  if (other === undefined) return loadPlugins()
  return ((await import(other)) as { loadPlugins: () => Loaded }).loadPlugins()
}

process.on('message', (job: Job) => {
  work(job).then(
    (result) => send({ kind: 'done', result }),
    (error: unknown) => {
      const failure = error instanceof Failure ? error : undefined
      const other = error instanceof Error ? error : new Error(String(error))
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC'
      send({
        kind: 'failed',
        type:
          failure?.kind ?? (full ? 'OutOfDisk' : other.name === 'MissingArtifact' ? 'MissingArtifact' : 'TaskError'),
        message: other.message,
        remedy: failure?.remedy,
        file: failure?.file,
        stack: other.stack,
      })
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => abort.abort(new Error('The task was cancelled')))
// Ctrl-C in the terminal is for the command: it decides what happens to its children.
process.on('SIGINT', () => undefined)
