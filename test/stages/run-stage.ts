import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { stageEnvironment } from '../../activities/stage-environment.js'
import { gatherKey, plannedStage, stageParams, taskKey, type KeyParts } from '../../lineage/keys.js'
import { specRegistry } from '../../cli/spec-registry.js'
import { onlyTask } from '../../lineage/keys.js'
import type { Environment, JsonObject, Outputs, RunningTask, StageContext, TaskPlan } from '../../api/index.js'
import { allowing } from '../../plugins/loading/allowed.js'
import { builtInPipeline, builtInPipelines, loadPlugins, onlyRuns } from '../../plugins/registry.js'
import { inspectInputs } from '../../plugins/inspect/model.js'
import type { Model } from '../../model/index.js'
import type { ModelInput } from '../../puzzle/inputs.js'
import { openParent } from '../../puzzle/parent.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { needName } from '../../spec/need-name.js'
import { compileText } from '../../spec/plan.js'
import type { Registry } from '../../spec/registry.js'
import { FileStore, type ArtifactRef, type Digest } from '../../store/index.js'
import { temporaryFolder } from '../temporary-folder.js'

const loaded = loadPlugins()
const registry: Registry = {
  stages: {
    get: (name) => loaded.stages.find((stage) => stage.name === name),
    names: () => loaded.stages.map(({ name }) => name),
  },
  blocks: {
    get: (slot, name) => (loaded.blocks.has(slot, name) ? loaded.blocks.get(slot, name) : undefined),
    names: (slot) => loaded.blocks.list().flatMap((type) => (type.slot === slot ? [type.name] : [])),
  },
  runs: {
    get: (name) => (loaded.runs.has(name) ? loaded.runs.get(name) : undefined),
    names: () => loaded.runs.list().map(({ name }) => name),
  },
  pipeline: builtInPipeline,
  pipelines: builtInPipelines,
  // What stages themselves say of bad data is to be seen: not what validation says before.
  async inspect(inputs, stages) {
    const { problems, blocks } = await inspectInputs(inputs, stages, loaded)
    const ofData = ({ path, code }: (typeof problems)[number]) =>
      path[0] === 'data' || path[0] === 'tasks' || code === 'bad-tokenizer'
    return { problems: problems.filter((problem) => !ofData(problem)), blocks }
  },
}

/** How a task is run: by default to its end. */
export interface Attempt {
  readonly signal?: AbortSignal
  progress?(fraction: number, message: string): void
}

interface SearchOptions {
  readonly store?: FileStore
  /** Folder of measurements that are kept for this machine. */
  readonly machineState?: string
  /** Commands of the folder's specs may run. */
  readonly commands?: boolean
}

/**
 * A search in this process: its stages plan, run and gather one after the other, each seeing what a child process would
 * let it see, its results kept under their keys in a store. There is no server, and nothing runs side by side.
 */
export class Search {
  /** Tasks that ran, `STAGE: ID`; those whose results were in the store are not among them. */
  readonly ran: string[] = []
  /** What stages told the log. */
  readonly logged: string[] = []
  private readonly known = new Map<string, Outputs>()

  private constructor(
    readonly plan: FrozenPlan,
    readonly store: FileStore,
    private readonly machineState: string,
  ) {}

  /** @param spec  its fields; paths in it start from `folder` */
  static async open(folder: string, spec: JsonObject, options: SearchOptions = {}): Promise<Search> {
    const { plan, diagnostics } = await compileText(join(folder, 'search.yaml'), JSON.stringify(spec), {
      ...registry,
      ...(options.commands && {
        openProgram: specRegistry(undefined, allowing([{ text: './', folder }])).openProgram!,
      }),
    })
    if (!plan) throw new Error(diagnostics.map(formatDiagnostic).join('\n'))
    return new Search(
      plan,
      options.store ?? new FileStore(temporaryFolder()),
      options.machineState ?? temporaryFolder(),
    )
  }

  /** Takes outputs for those of a stage, which does not run then. */
  give(stage: string, outputs: { readonly values?: JsonObject; readonly files?: Outputs['files'] }): void {
    this.known.set(stage, { values: {}, files: {}, ...outputs })
  }

  /** What a stage leaves. Stages that it needs come first. */
  async outputs(name: string): Promise<Outputs> {
    const known = this.known.get(name)
    if (known) return known
    const tasks = await this.tasks(name)
    const done: { plan: TaskPlan; outputs: Outputs }[] = []
    for (const plan of tasks) done.push({ plan, outputs: await this.run(name, plan) })
    const keys = await Promise.all(tasks.map((task) => this.key(name, task)))
    const parts = await this.parts(name)
    const outputs = parts.stage.plan
      ? await this.reused(gatherKey(parts, keys, tasks), `${name}: gather`, () => this.gather(name, done))
      : done[0]!.outputs
    this.known.set(name, outputs)
    return outputs
  }

  /** The tasks that a stage plans. */
  async tasks(name: string): Promise<readonly TaskPlan[]> {
    const { stage } = await this.parts(name)
    if (!stage.plan) return [onlyTask(name)]
    const tasks = plain(await stage.plan(await this.whole(name)))
    const twice = tasks.find(({ id }, i) => tasks.findIndex((other) => other.id === id) !== i)
    if (twice) throw new Error(`The stage ${name} planned two tasks "${twice.id}"`)
    return tasks
  }

  async key(name: string, task: TaskPlan): Promise<Digest> {
    return taskKey(await this.parts(name), task).key
  }

  /** Runs one task, or finds its result. */
  async run(name: string, task: TaskPlan, attempt: Attempt = {}): Promise<Outputs> {
    const { stage, ...parts } = await this.parts(name)
    return this.reused(taskKey({ stage, ...parts }, task), `${name}: ${task.id}`, async (scratch, key) => {
      const running: RunningTask = {
        scratch,
        threads: 1,
        progress: (fraction, message) => attempt.progress?.(fraction, message),
        checkpoint: await this.store.checkpoint(key),
        signal: attempt.signal ?? new AbortController().signal,
        machineState: this.machineState,
      }
      if (stage.gate) throw new Error(`The stage ${name} waits for a person`)
      if (!stage.plan) return stage.run({ ...(await this.whole(name)), ...running })
      const runs = onlyRuns(loaded.runs, task.runs)
      return stage.run({ ...this.environment(stage.taskReads ?? []), runs, ...running, task })
    })
  }

  /** Contents of an artifact that is JSON. */
  async json<T>(ref: ArtifactRef | undefined): Promise<T> {
    if (!ref) throw new Error('There is no such artifact')
    return (await this.store.readJson(ref)) as T
  }

  /** What a stage sees that is one task, or that plans and gathers. */
  async whole(name: string): Promise<StageContext> {
    const { planned, stage } = await this.parts(name)
    const stages: Record<string, Outputs> = {}
    for (const need of planned.needs) stages[needName(planned, need)] = await this.outputs(need)
    return { ...this.environment(stage.reads), params: stageParams(planned, stages), stages }
  }

  /** The parent, as stages open it. */
  parent(): Promise<Model> {
    const { spec, ...own } = this.environment(['model'])
    return openParent({ ...own, spec: spec as JsonObject & ModelInput })
  }

  /** What a stage sees of the spec and the store, reading only `reads`. */
  environment(reads: readonly string[]): Environment {
    return stageEnvironment(this.plan, this.store, loaded, reads, (message) => void this.logged.push(message))
  }

  /** What a stage makes of its tasks' outputs, which may be made up. */
  async gather(
    name: string,
    tasks: readonly { readonly plan: TaskPlan; readonly outputs: Outputs }[],
  ): Promise<Outputs> {
    const { stage } = await this.parts(name)
    if (!stage.plan) return tasks[0]!.outputs
    if (!stage.gather)
      return { values: { tasks: Object.fromEntries(tasks.map((t) => [t.plan.id, t.outputs.values])) }, files: {} }
    const progress = () => undefined
    const whole = await this.whole(name)
    return plain(await stage.gather({ ...whole, tasks, skipped: [], scratch: temporaryFolder(), threads: 1, progress }))
  }

  private async parts(name: string): Promise<KeyParts> {
    const planned = plannedStage(this.plan, name)
    const outputs: Record<string, ArtifactRef> = {}
    const stages: Record<string, Outputs> = {}
    for (const need of planned.needs) {
      const name = needName(planned, need)
      stages[name] = await this.outputs(need)
      outputs[name] = await this.store.putJson('outputs', stages[name])
    }
    const stage = loaded.stage(planned.uses)
    return { plan: this.plan, planned, stage, params: stageParams(planned, stages), outputs }
  }

  /** The record of a key, made when there is none. */
  private async reused(
    { key, components }: ReturnType<typeof taskKey>,
    what: string,
    work: (scratch: string, key: Digest) => Promise<Outputs>,
  ): Promise<Outputs> {
    const record = await this.store.getRecord(key)
    if (record) return record.outputs as Outputs
    const scratch = await mkdtemp(join(await this.store.scratch(), 'task-'))
    try {
      this.ran.push(what)
      const outputs = plain(await work(scratch, key))
      await this.store.putRecord({ version: 1, key, components, outputs, seconds: 0, finishedAt: '', host: '' })
      await this.store.removeCheckpoint(key)
      return outputs
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }
}

/** A value as it comes through the pipe from a child process. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
