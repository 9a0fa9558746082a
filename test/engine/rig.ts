import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { queueOf } from '../../activities/queue.js'
import { startRun, workflowIdOf, type StartOptions } from '../../cli/runs.js'
import { specRegistry } from '../../cli/spec-registry.js'
import type { Outputs } from '../../api/index.js'
import { compileText } from '../../spec/plan.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { packageRoot } from '../../store/paths.js'
import { FileStore } from '../../store/index.js'
import type { SearchProgress, SearchResult } from '../../workflows/types.js'
import { loadPlugins } from './registry.js'
import { socketVariable } from './step-protocol.js'
import { Steps } from './steps.js'

export type Handle = WorkflowHandle<() => Promise<SearchResult>>

/** What a worker is started with. */
export interface WorkerSettings {
  /** Of `worker --queue`. */
  readonly queue?: string
  readonly env?: NodeJS.ProcessEnv
  /** Folder of a control group for it and all that it starts. */
  readonly group?: string
}

/** A worker process. */
export class TestWorker {
  private constructor(
    readonly process: ChildProcess,
    readonly gone: Promise<void>,
  ) {}

  static async start(
    { address, store, steps }: Rig,
    slots: number,
    { queue, env = {}, group }: WorkerSettings,
  ): Promise<TestWorker> {
    const program = join(packageRoot(), 'dist/test/engine/worker.js')
    // Its queue is named after the code that starts the run: here the sources, there what was compiled of them.
    const child = spawn(process.execPath, [program, address, store.root, queueOf(store, queue), String(slots)], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, [socketVariable]: steps.path, ...env },
    })
    if (group !== undefined) writeFileSync(join(group, 'cgroup.procs'), String(child.pid))
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const said: string[] = []
    await new Promise<void>((resolve, reject) => {
      createInterface(child.stderr).on('line', (line) => {
        said.push(line)
        if (line.includes('"event":"worker serves"')) resolve()
      })
      child.once('exit', () => reject(new Error(`The worker did not start:\n${said.join('\n')}`)))
    })
    return new TestWorker(child, gone)
  }

  /** It does nothing any more, as on a machine that sleeps, until `thaw`; its child processes go on. */
  freeze(): void {
    this.process.kill('SIGSTOP')
  }
  thaw(): void {
    this.process.kill('SIGCONT')
  }
  /** As a crash or the kernel does it. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.gone
  }
  async stop(): Promise<void> {
    this.process.kill('SIGTERM')
    await this.gone
  }
}

/** A store, stages to step, and workers for them. */
export class Rig {
  private readonly workers: TestWorker[] = []

  private constructor(
    readonly address: string,
    readonly client: Client,
    readonly store: FileStore,
    readonly steps: Steps,
    /** Holds the store, as `store`. */
    readonly folder: string,
  ) {}

  static async create({ address, client }: { address: string; client: Client }): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-engine-'))
    return new Rig(address, client, new FileStore(join(folder, 'store')), await Steps.listen(folder), folder)
  }

  async startWorker(slots = 2, settings: WorkerSettings = {}): Promise<TestWorker> {
    const worker = await TestWorker.start(this, slots, settings)
    this.workers.push(worker)
    return worker
  }

  /** Starts a run of a spec with the stages of test/engine/registry.ts. */
  async run(name: string, spec: string, options: StartOptions = {}): Promise<Handle> {
    return this.start(name, await compile(spec), options)
  }

  /** The same with a plan. */
  async start(name: string, plan: FrozenPlan, options: StartOptions = {}): Promise<Handle> {
    await startRun(this.client, this.store, name, plan, { heartbeat: 3, ...options })
    return this.client.workflow.getHandle(workflowIdOf(this.store, name))
  }

  /** The same to its end. @returns outputs of all stages */
  async outputs(handle: Handle): Promise<Record<string, Outputs>> {
    const { outputs } = await handle.result()
    const entries = Object.entries(outputs).map(async ([name, ref]) => [name, await this.store.readJson(ref)] as const)
    return Object.fromEntries(await Promise.all(entries)) as Record<string, Outputs>
  }

  /** Returns when a task of a run has said that it waits for a place. */
  waitsForPlace(handle: Handle): Promise<void> {
    return this.says(handle, 'waiting for a slot')
  }
  /** Returns when a task of a run has said something. */
  async says(handle: Handle, text: string): Promise<void> {
    for (;;) {
      const { raw } = await handle.describe()
      const said = (raw.pendingActivities ?? []).map((own) => own.heartbeatDetails?.payloads?.[0]?.data)
      if (said.some((data) => data && Buffer.from(data).includes(text))) return
    }
  }

  /** Where a run stands, as soon as something holds there. */
  async until(handle: Handle, holds: (progress: SearchProgress) => boolean): Promise<SearchProgress> {
    for (;;) {
      const progress = await handle.query<SearchProgress>('progress')
      if (holds(progress)) return progress
    }
  }

  /** What a run's search attribute `PuzzleStatus` says. */
  status(handle: Handle): Promise<unknown> {
    return this.attribute(handle, 'PuzzleStatus')
  }
  /** A search attribute of a run. */
  async attribute(handle: Handle, name: string): Promise<unknown> {
    const { typedSearchAttributes } = await handle.describe()
    return typedSearchAttributes.getAll().find(({ key }) => key.name === name)?.value
  }

  /** The table of a run's details in the Temporal UI. */
  async details(handle: Handle): Promise<string> {
    return (await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails
  }

  /** Tasks of a run that are scheduled, waited for or at work: `each/a1`. */
  async inFlight({ workflowId }: { readonly workflowId: string }): Promise<string[]> {
    const description = await this.client.workflow
      .getHandle(workflowId)
      .describe()
      .catch((error: unknown) => {
        // A group that is just starting has none.
        if (error instanceof WorkflowNotFoundError) return undefined
        throw error
      })
    if (!description) return []
    const { raw } = description
    const own = (raw.pendingActivities ?? []).map(({ activityId }) => activityId ?? '')
    const groups = (raw.pendingChildren ?? []).map(({ workflowId }) => this.inFlight({ workflowId: workflowId ?? '' }))
    return [...own, ...(await Promise.all(groups)).flat()].sort()
  }

  /** Tasks done and reused of every stage. */
  async progress(handle: Handle): Promise<Record<string, string>> {
    const { stages } = await handle.query<SearchProgress>('progress')
    return Object.fromEntries(stages.map((s) => [s.stage, `${s.done} done, ${s.reused} reused`]))
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.kill()))
    this.steps.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A plan of a spec; what stands before its stages is always the same. */
export async function compile(spec: string): Promise<FrozenPlan> {
  const text = `apiVersion: puzzleflow/v1\nname: test\n${spec}`
  const { plan, diagnostics } = await compileText('/nowhere/test.yaml', text, specRegistry(loadPlugins()))
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join('\n'))
  return plan
}

/** What a promise is rejected with; a test whose promise is not, fails. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as Error }),
  )
  if ('error' in outcome) return outcome.error
  throw new Error(`It was not rejected, but gave ${JSON.stringify(outcome.value)}`)
}

/** Why an update was refused. */
export async function refusal(update: Promise<unknown>): Promise<string | undefined> {
  return ((await rejection(update)).cause as Error | undefined)?.message
}
