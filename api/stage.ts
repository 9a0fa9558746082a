import type { Family } from './family.js'
import type { ArtifactRef, Digest } from '../store/store.js'
import type { About, BlockType, JsonObject, JsonOf, Slot } from './block.js'
import type { RunType } from './run.js'

/** Artifacts by name. */
export type Files = Readonly<Record<string, ArtifactRef>>

/**
 * What a task or stage leaves behind: small JSON values, and artifacts by name.
 *
 * @typeParam Values  JSON
 * @typeParam F       artifacts by name; those that may be missing are optional
 */
export interface Outputs<Values extends object = JsonObject, F extends object = Files> {
  readonly values: Values
  readonly files: F
}

/** Outputs of other stages by stage name, as a stage declares them. */
export type Needs = object
/** What is known of the other stages' outputs where a stage does not say what it needs. */
export type AnyNeeds = Readonly<Record<string, Outputs>>

/** A block type by slot and name. */
export interface BlockName {
  readonly slot: Slot
  readonly name: string
}

/**
 * One retryable unit of a stage. It says all that its result depends on, and sees nothing else: whatever changes
 * elsewhere in the spec, a task whose plan is the same is not done again.
 *
 * @typeParam P  parameters, JSON
 * @typeParam I  artifacts that it reads, by name
 */
export interface TaskPlan<P extends object = JsonObject, I extends object = Files> {
  /** Unique in the stage, and part of the key: `layer03/ffn/swiglu-256`. */
  readonly id: string
  /** For people: shown in the Temporal UI. Not part of the key. */
  readonly label: string
  /** Tasks of one group run in one child workflow: `layer03`. Default: the task's id. Not part of the key. */
  readonly group?: string
  readonly params: P
  readonly inputs: I
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

/**
 * What every part of a stage can use.
 *
 * @typeParam Spec  those of the pipeline's inputs that the stage reads
 */
export interface Environment<Spec extends object = JsonObject> {
  /** Those of the pipeline's inputs (`model`, `space`, `target.scenario` …) that the stage reads; paths are absolute. */
  readonly spec: Spec
  /** Digest of each file or folder among them, by its path in the spec (`model`, `data.train.path`). */
  readonly inputDigests: Readonly<Record<string, Digest>>
  readonly seed: number
  readonly blocks: Blocks
  /** A task sees those that its plan names. */
  readonly runs: Runs
  /** Local path of an artifact's file (fetched and verified when it is not there). Read only. */
  open(ref: ArtifactRef): Promise<string>
  /** Stores bytes or JSON as an artifact. */
  put(kind: string, data: Uint8Array): Promise<ArtifactRef>
  put<T>(kind: string, data: T & JsonOf<T>): Promise<ArtifactRef<T>>
  /** Stores a file as an artifact; the file is moved. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  log(message: string, fields?: JsonObject): void
}

/** What a stage sees of the run. */
export interface StageContext<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  Spec extends object = JsonObject,
> extends Environment<Spec> {
  /** The stage's parameters from pipeline and spec, expressions resolved. */
  readonly params: P
  /** Outputs of the stages that this one needs, by stage name. */
  readonly stages: N
}

/** What running work can use. */
export interface Running {
  /** A scratch folder, removed at the end of the attempt. */
  readonly scratch: string
  readonly threads: number
  /** Reports the fraction of the work that is done, 0..1, and a short text (shown in the UI). */
  progress(fraction: number, message: string): void
}

/** What a running task can use as well. */
export interface RunningTask extends Running {
  /** A folder of this task's key that survives crashes and retries; removed when the task is done. */
  readonly checkpoint: string
  /** Folder in the user's state directory for data that belongs to this machine (profiles). */
  readonly machineState: string
  /** Aborted when the task is cancelled: stop at the next step, the checkpoint kept. */
  readonly signal: AbortSignal
}

/** Types of a stage's tasks: what they are told, and what they leave. */
export interface TaskTypes {
  readonly params: object
  readonly inputs: object
  readonly outputs: Outputs<object, object>
}
/** Types of tasks that declare none. */
export interface AnyTask extends TaskTypes {
  readonly params: JsonObject
  readonly inputs: Files
  readonly outputs: Outputs
}

/** A planned task at work: `spec` holds what the stage's `taskReads` names, and nothing is there of other stages. */
export interface TaskContext<T extends Pick<TaskTypes, 'params' | 'inputs'> = AnyTask, Spec extends object = JsonObject>
  extends Environment<Spec>, RunningTask {
  readonly task: TaskPlan<T['params'], T['inputs']>
}

/** The gathering of a stage's tasks: their outputs, and those that were left out. */
export interface GatherContext<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  T extends TaskTypes = AnyTask,
  Spec extends object = JsonObject,
>
  extends StageContext<P, N, Spec>, Running {
  /** Tasks that were done. */
  readonly tasks: readonly { readonly plan: TaskPlan<T['params'], T['inputs']>; readonly outputs: T['outputs'] }[]
  /** Tasks that were left out: they failed, or somebody said so. Always empty unless the stage is `partial`. */
  readonly skipped: readonly LeftOut[]
}

/** A task that was left out of a stage, and why. */
export type LeftOut = {
  readonly task: string
  readonly reason: string
}

/** What a stage needs of the machine, estimated before anything runs. */
export interface Resources {
  /** Bytes that it stores. @default 0 */
  readonly disk?: number
  /** Bytes of memory that it holds at once. @default 0 */
  readonly memory?: number
}

/**
 * @typeParam P     parameters
 * @typeParam Spec  the pipeline's inputs
 */
interface StageBase<P, Spec extends object> {
  readonly name: string
  /** Raised by hand when the same inputs give other outputs: it enters the keys. */
  readonly version: number
  /** JSON Schema of the parameters, defaults included. */
  readonly parameters: object
  /** Which of the spec's inputs it reads, `target` or `target.scenario`: they enter its keys, others are hidden from it. */
  readonly reads: readonly string[]
  /** Runs alone on its worker: for measurements. @default false */
  readonly exclusive?: boolean
  /** For people: `plugins ls` shows it. */
  readonly about?: Pick<About, 'summary'>
  /**
   * Estimates what it needs of the machine: a machine that has less is refused before anything runs. Expressions among the
   * parameters are still texts. Where it depends on what the search will choose, count too little rather than too much.
   * @default nothing
   */
  resources?(context: ResourcesContext<P, Spec>): Resources | Promise<Resources>
}

/** What is known before a run: parameters, and all of the pipeline's inputs. */
export type ResourcesContext<P = JsonObject, Spec extends object = JsonObject> = Pick<
  StageContext<P, AnyNeeds, Spec>,
  'params' | 'spec' | 'inputDigests' | 'blocks' | 'runs'
>

/**
 * A stage that is one task.
 *
 * @typeParam P     parameters
 * @typeParam N     outputs of the stages that it needs, by name: reading others does not compile
 * @typeParam O     its outputs
 * @typeParam Spec  the pipeline's inputs that it reads
 */
export interface SingleStage<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  O extends Outputs<object, object> = Outputs,
  Spec extends object = JsonObject,
> extends StageBase<P, Spec> {
  readonly gate?: false
  readonly plan?: never
  run(context: StageContext<P, N, Spec> & RunningTask): Promise<O>
}

/**
 * A stage of many tasks, listed when the stages it needs are done.
 *
 * @typeParam P     parameters
 * @typeParam N     outputs of the stages that it needs, by name: reading another's is an error of the compiler
 * @typeParam O     its outputs
 * @typeParam T     what its tasks are told, and what they leave
 * @typeParam Spec  the pipeline's inputs that it, or its tasks, read
 */
export interface FanOutStage<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  O extends Outputs<object, object> = Outputs,
  T extends TaskTypes = AnyTask,
  Spec extends object = JsonObject,
> extends StageBase<P, Spec> {
  readonly gate?: false
  /** Can do without some of its tasks: `gather` then lacks those that failed or were skipped. @default false */
  readonly partial?: boolean
  /** Which of the spec's inputs its tasks read. @default none */
  readonly taskReads?: readonly string[]
  plan(context: StageContext<P, N, Spec>): Promise<readonly TaskPlan<T['params'], T['inputs']>[]>
  run(context: TaskContext<T, Spec>): Promise<T['outputs']>
  /** Many tasks -> one output. @default values {tasks: {id: values}} and no files */
  gather?(context: GatherContext<P, N, T, Spec>): Promise<O>
}

/** A stage that waits for a person. What it asks follows from its parameters; the answer holds as long as they, and what
 *  the stage gets from others, stay the same. */
export interface GateStage<P = JsonObject, N extends Needs = AnyNeeds> extends StageBase<P, JsonObject> {
  readonly gate: true
  readonly plan?: never
  readonly run?: never
  /** The question, as Markdown. */
  ask(context: Pick<StageContext<P, N>, 'params' | 'stages'>): string
}

/**
 * A step of a pipeline. `plan`, `run` and `gather` are all executed in a child process; what they return is stored and
 * reused by key.
 */
export type Stage<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  O extends Outputs<object, object> = Outputs,
  T extends TaskTypes = AnyTask,
  Spec extends object = JsonObject,
> = SingleStage<P, N, O, Spec> | FanOutStage<P, N, O, T, Spec> | GateStage<P, N>
