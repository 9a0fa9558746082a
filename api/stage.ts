import type { Family } from './family.js'
import type { ArtifactRef, Digest } from '../store/store.js'
import type { About, BlockType, Json, JsonObject, Slot } from './block.js'
import type { RunType } from './run.js'

/** What a task or stage leaves behind: small JSON values, and artifacts by name. */
export interface Outputs {
  readonly values: JsonObject
  readonly files: Readonly<Record<string, ArtifactRef>>
}

/** A block type by slot and name. */
export interface BlockName {
  readonly slot: Slot
  readonly name: string
}

/**
 * One retryable unit of a stage. It says all that its result depends on, and sees nothing else: whatever changes
 * elsewhere in the spec, a task whose plan is the same is not done again.
 */
export interface TaskPlan {
  /** Unique in the stage, and part of the key: `layer03/ffn/swiglu-256`. */
  readonly id: string
  /** For people: shown in the Temporal UI. Not part of the key. */
  readonly label: string
  /** Tasks of one group run in one child workflow: `layer03`. Default: the task's id. Not part of the key. */
  readonly group?: string
  readonly params: JsonObject
  readonly inputs: Readonly<Record<string, ArtifactRef>>
  /** Block types whose code it runs: their versions are part of the key. Default: all of the spec and its model. */
  readonly blocks?: readonly BlockName[]
  /** Names of run types whose code it runs: their versions are part of the key. Default: none. */
  readonly runs?: readonly string[]
}

/** Block types by slot and name, built in and from plugins; and the families of models that plugins add. */
export interface Blocks {
  /** Families beside those that come with puzzleflow. Default: none. */
  readonly families?: readonly Family[]
  get(slot: Slot, name: string): BlockType
  has(slot: Slot, name: string): boolean
  list(): readonly BlockType[]
}

/** Run types by name, built in and from plugins. */
export interface Runs {
  /** @throws Failure InvalidInput when there is none of that name */
  get(name: string): RunType
  has(name: string): boolean
  list(): readonly RunType[]
}

/** What every part of a stage can use. */
export interface Environment {
  /** Those of the pipeline's inputs (`model`, `space`, `target.scenario` …) that the stage reads; paths are absolute. */
  readonly spec: JsonObject
  /** Digest of each file or folder among them, by its path in the spec (`model`, `data.train.path`). */
  readonly inputDigests: Readonly<Record<string, Digest>>
  readonly seed: number
  readonly blocks: Blocks
  /** A task sees those that its plan names. */
  readonly runs: Runs
  /** Local path of an artifact's file (fetched and verified when it is not there). Read only. */
  open(ref: ArtifactRef): Promise<string>
  /** Stores bytes or JSON as an artifact. */
  put(kind: string, data: Uint8Array | Json): Promise<ArtifactRef>
  /** Stores a file as an artifact; the file is moved. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  log(message: string, fields?: JsonObject): void
}

/** What a stage sees of the run. */
export interface StageContext<P = JsonObject> extends Environment {
  /** The stage's parameters from pipeline and spec, expressions resolved. */
  readonly params: P
  /** Outputs of the stages that this one needs, by stage name. */
  readonly stages: Readonly<Record<string, Outputs>>
}

/** What work in progress can use. */
export interface Running {
  /** A scratch folder, removed at the end of the attempt. */
  readonly scratch: string
  readonly threads: number
  /** fraction 0..1 of the work, and a short text (shown in the UI). */
  progress(fraction: number, message: string): void
}

/** What a task can use beside that. */
export interface RunningTask extends Running {
  /** A folder of this task's key that survives crashes and retries; removed when the task is done. */
  readonly checkpoint: string
  /** Folder in the user's state directory for what is pinned by machine (profiles). */
  readonly machineState: string
  /** Aborted when the task is cancelled: stop at the next step, the checkpoint kept. */
  readonly signal: AbortSignal
}

/** A planned task at work: `spec` holds what the stage's `taskReads` names, and nothing is there of other stages. */
export interface TaskContext extends Environment, RunningTask {
  readonly task: TaskPlan
}

export interface GatherContext<P = JsonObject> extends StageContext<P>, Running {
  /** Tasks that were done. */
  readonly tasks: readonly { readonly plan: TaskPlan; readonly outputs: Outputs }[]
  /** Tasks that were left out: they failed, or somebody said so. Always empty unless the stage is `partial`. */
  readonly skipped: readonly { readonly task: string; readonly reason: string }[]
}

interface StageBase {
  readonly name: string
  /** Raised by hand when the same inputs give other outputs: it enters the keys. */
  readonly version: number
  /** JSON Schema of the parameters, defaults included. */
  readonly parameters: object
  /** Which of the spec's inputs it reads, `target` or `target.scenario`: they enter its keys, others are hidden from it. */
  readonly reads: readonly string[]
  /** Runs alone on its worker: for measurements. */
  readonly exclusive?: boolean
  /** For people: `plugins ls` shows it. */
  readonly about?: Pick<About, 'summary'>
}

/** A stage that is one task. */
export interface SingleStage<P = JsonObject> extends StageBase {
  readonly gate?: false
  readonly plan?: never
  run(context: StageContext<P> & RunningTask): Promise<Outputs>
}

/** A stage of many tasks, listed when the stages it needs are done. */
export interface FanOutStage<P = JsonObject> extends StageBase {
  readonly gate?: false
  /** Can do without some of its tasks: `gather` then lacks those that failed or were skipped. */
  readonly partial?: boolean
  /** Which of the spec's inputs its tasks read. Default: none. */
  readonly taskReads?: readonly string[]
  plan(context: StageContext<P>): Promise<readonly TaskPlan[]>
  run(context: TaskContext): Promise<Outputs>
  /** Many tasks -> one output. Default: values {tasks: {id: values}} and no files. */
  gather?(context: GatherContext<P>): Promise<Outputs>
}

/** A stage that waits for a person. What it asks follows from its parameters; the answer holds as long as they, and what
 *  the stage gets from others, stay the same. */
export interface GateStage<P = JsonObject> extends StageBase {
  readonly gate: true
  readonly plan?: never
  readonly run?: never
  /** The question, as Markdown. */
  ask(context: Pick<StageContext<P>, 'params' | 'stages'>): string
}

/**
 * A step of a pipeline. `plan`, `run` and `gather` are all executed in a child process; what they return is stored and
 * reused by key.
 */
export type Stage<P = JsonObject> = SingleStage<P> | FanOutStage<P> | GateStage<P>
