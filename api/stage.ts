import type { Family } from './family.js'
import type { ArtifactRef, Digest } from '../store/store.js'
import type { About, BlockType, JsonObject, JsonOf, Slot } from './block.js'
import type { RunType } from './run.js'

/** Artifacts by name. */
export type Files = Readonly<Record<string, ArtifactRef>>

/**
 * The outputs of a task or stage: small JSON values, and artifacts by name.
 *
 * @typeParam Values  JSON
 * @typeParam F       artifacts by name; those that may be missing are optional
 */
export interface Outputs<Values extends object = JsonObject, F extends object = Files> {
  /** Small JSON values, which later stages and expressions can read. */
  readonly values: Values
  /** Artifacts by name. */
  readonly files: F
}

/** Outputs of other stages by stage name, as a stage declares them. */
export type Needs = object
/** Outputs of other stages, for a stage that does not declare which ones it needs. */
export type AnyNeeds = Readonly<Record<string, Outputs>>

/** A block type by slot and name. */
export interface BlockName {
  /** Slot of the block type. */
  readonly slot: Slot
  /** Name of the block type. */
  readonly name: string
}

/** Maximum number of tasks of a stage. */
export const mostTasks = 100_000

/**
 * One retryable unit of a stage. It states everything that its result depends on, and sees nothing else: whatever changes
 * elsewhere in the spec, a task with the same plan is not done again.
 *
 * @typeParam P  parameters, JSON
 * @typeParam I  artifacts that it reads, by name
 */
export interface TaskPlan<P extends object = JsonObject, I extends object = Files> {
  /** Unique in the stage, and part of the key: `layer03/ffn/swiglu-256`. */
  readonly id: string
  /** For people: shown in the Temporal UI. Not part of the key. */
  readonly label: string
  /** Tasks of one group run in one child workflow: `layer03`. Not part of the key. @default the task's id */
  readonly group?: string
  /** Approximate maximum of the memory that it holds, in bytes: a worker begins it when there is room for that beside the tasks
   *  already running. Not part of the key. @default what `execution` allows the stage's tasks; without that, it begins at once */
  readonly memory?: number
  /** Parameters of the task; part of its key. */
  readonly params: P
  /** Artifacts that the task reads, by name; part of its key. */
  readonly inputs: I
  /** Block types whose code it runs: their versions are part of the key. Default: all of the spec and its model. */
  readonly blocks?: readonly BlockName[]
  /** Names of run types whose code it runs: their versions are part of the key. Default: none. */
  readonly runs?: readonly string[]
}

/** Block types by slot and name, built in and from plugins; and the families of models that plugins add. */
export interface Blocks {
  /** Families in addition to those that come with puzzleflow. @default none */
  readonly families?: readonly Family[]
  /** Returns a block type. @throws Failure InvalidInput if there is none with this name */
  get(slot: Slot, name: string): BlockType
  /** Whether there is a block type with this name. */
  has(slot: Slot, name: string): boolean
  /** Lists all block types. */
  list(): readonly BlockType[]
}

/** Run types by name, built in and from plugins. */
export interface Runs {
  /** Returns a run type. @throws Failure InvalidInput if there is none with this name */
  get(name: string): RunType
  /** Whether there is a run type with this name. */
  has(name: string): boolean
  /** Lists all run types. */
  list(): readonly RunType[]
}

/**
 * What every part of a stage can use.
 *
 * @typeParam Spec  the pipeline's inputs that the stage reads
 */
export interface Environment<Spec extends object = JsonObject> {
  /** The pipeline's inputs (`model`, `space`, `target.scenario` …) that the stage reads. Paths are absolute. */
  readonly spec: Spec
  /** Digest of each file or folder among them, by its path in the spec (`model`, `data.train.path`). */
  readonly inputDigests: Readonly<Record<string, Digest>>
  /** Seed of the spec. Derive all random numbers from it. */
  readonly seed: number
  /** Block types, built in and from plugins. */
  readonly blocks: Blocks
  /** Run types, built in and from plugins. A task sees only those that its plan names. */
  readonly runs: Runs
  /** Returns the local path of an artifact's file, which must not be changed. A missing file is fetched and verified. */
  open(ref: ArtifactRef): Promise<string>
  /** Stores bytes or JSON as an artifact. */
  put(kind: string, data: Uint8Array): Promise<ArtifactRef>
  put<T>(kind: string, data: T & JsonOf<T>): Promise<ArtifactRef<T>>
  /** Stores a file as an artifact by moving it. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  /** Writes a line to the worker's log. */
  log(message: string, fields?: JsonObject): void
}

/** What a stage sees of the run. */
export interface StageContext<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  Spec extends object = JsonObject,
> extends Environment<Spec> {
  /** The stage's parameters from pipeline and spec, with resolved expressions. */
  readonly params: P
  /** Outputs of the stages that this one needs, by stage name. */
  readonly stages: N
}

/** What running work can use. */
export interface Running {
  /** A scratch folder, removed at the end of the attempt. */
  readonly scratch: string
  /** Number of threads to use. */
  readonly threads: number
  /** Reports the completed fraction of the work, 0 to 1, and a short text, which the UI shows. */
  progress(fraction: number, message: string): void
}

/** What a running task can use in addition. */
export interface RunningTask extends Running {
  /** A folder for this task's key that survives crashes and retries. It is removed when the task is done. */
  readonly checkpoint: string
  /** Folder in the user's state directory for data that belongs to this machine (profiles). */
  readonly machineState: string
  /** Aborted when the task is cancelled: stop at the next step and keep the checkpoint. */
  readonly signal: AbortSignal
}

/** Types of a stage's tasks: their parameters, inputs and outputs. */
export interface TaskTypes {
  /** Parameters of a task. */
  readonly params: object
  /** Artifacts that a task reads, by name. */
  readonly inputs: object
  /** Outputs of a task. */
  readonly outputs: Outputs<object, object>
}
/** Types of tasks that declare none. */
export interface AnyTask extends TaskTypes {
  /** Parameters of any JSON type. */
  readonly params: JsonObject
  /** Artifacts by name. */
  readonly inputs: Files
  /** Outputs of any type. */
  readonly outputs: Outputs
}

/** Context of a running planned task. `spec` contains only what the stage's `taskReads` names, and outputs of other stages are
 *  not available. */
export interface TaskContext<T extends Pick<TaskTypes, 'params' | 'inputs'> = AnyTask, Spec extends object = JsonObject>
  extends Environment<Spec>, RunningTask {
  /** The task, as planned. */
  readonly task: TaskPlan<T['params'], T['inputs']>
}

/** Context for gathering a stage's tasks: their outputs, and the tasks that were left out. */
export interface GatherContext<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  T extends TaskTypes = AnyTask,
  Spec extends object = JsonObject,
>
  extends StageContext<P, N, Spec>, Running {
  /** Completed tasks. */
  readonly tasks: readonly { readonly plan: TaskPlan<T['params'], T['inputs']>; readonly outputs: T['outputs'] }[]
  /** Tasks that failed, or that somebody skipped. Always empty unless the stage is `partial`. */
  readonly skipped: readonly LeftOut[]
}

/** A task that was left out of a stage, and why. */
export type LeftOut = {
  readonly task: string
  readonly reason: string
}

/** What a stage needs from the machine, estimated before anything runs. */
export interface Resources {
  /** Bytes that it stores. @default 0 */
  readonly disk?: number
  /** Bytes of memory that it holds at once. @default 0 */
  readonly memory?: number
  /** Number of its tasks. @default unknown for a stage of many tasks */
  readonly tasks?: number
  /** What its tasks have to do; `puzzleflow plan` converts it to seconds. @default unknown */
  readonly work?: Work
}

/** Work of all tasks of a stage together. How much of it a machine does in a second is measured once, on layers of the
 *  parent. */
export interface Work {
  /** Floating-point operations of forward passes, a multiply-add counted as two. @default 0 */
  readonly forward?: number
  /** Floating-point operations of training, forward and backward. @default 0 */
  readonly training?: number
  /** Number of times that a model as slow as the parent runs the scenario. @default 0 */
  readonly passes?: number
  /** Seconds of other work, all tasks one after the other. @default 0 */
  readonly seconds?: number
  /** Threads that the passes use, if the stage is `exclusive`. @default as many as the worker has slots */
  readonly passThreads?: number
}

/**
 * @typeParam P     parameters
 * @typeParam Spec  the pipeline's inputs
 */
interface StageBase<P, Spec extends object> {
  readonly name: string
  /** Part of task keys. Raise it when the same inputs would give other outputs. */
  readonly version: number
  /** JSON Schema of the parameters, including defaults. */
  readonly parameters: object
  /** The spec's inputs that the stage reads, such as `target` or `target.scenario`. They are part of its keys; others are hidden
   *  from it. */
  readonly reads: readonly string[]
  /** Whether it runs alone on its worker, for measurements. @default false */
  readonly exclusive?: boolean
  /** Description for people, shown by `plugins ls`. @default none */
  readonly about?: Pick<About, 'summary'>
  /**
   * Estimates what the stage needs from the machine. A machine that has less is refused before anything runs. Expressions in the
   * parameters are not resolved yet. If the needs depend on what the search will choose, estimate too little rather than too much.
   * @default nothing
   */
  resources?(context: ResourcesContext<P, Spec>): Resources | Promise<Resources>
}

/** What is known before a run: parameters, and all inputs of the pipeline. */
export interface ResourcesContext<P = JsonObject, Spec extends object = JsonObject> extends Pick<
  StageContext<P, AnyNeeds, Spec>,
  'params' | 'spec' | 'inputDigests' | 'blocks' | 'runs'
> {
  /** Parameters of all stages of the pipeline, by name. */
  readonly stages: Readonly<Record<string, JsonObject>>
}

/**
 * A stage that is one task.
 *
 * @typeParam P     parameters
 * @typeParam N     outputs of the stages that it needs, by name; reading others does not compile
 * @typeParam O     its outputs
 * @typeParam Spec  the pipeline's inputs that it reads
 */
export interface SingleStage<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  O extends Outputs<object, object> = Outputs,
  Spec extends object = JsonObject,
> extends StageBase<P, Spec> {
  /** Not a gate. */
  readonly gate?: false
  /** Whether it only checks: it returns neither values nor files, and fails if something is wrong. What comes after such a stage is
   *  known before it has run. @default false */
  readonly checks?: boolean
  /** A stage of one task plans nothing. */
  readonly plan?: never
  /** Does the work of the stage. */
  run(context: StageContext<P, N, Spec> & RunningTask): Promise<O>
}

/**
 * A stage of many tasks, which are listed once the stages that it needs are done.
 *
 * @typeParam P     parameters
 * @typeParam N     outputs of the stages that it needs, by name; reading others does not compile
 * @typeParam O     its outputs
 * @typeParam T     parameters, inputs and outputs of its tasks
 * @typeParam Spec  the pipeline's inputs that it, or its tasks, read
 */
export interface FanOutStage<
  P = JsonObject,
  N extends Needs = AnyNeeds,
  O extends Outputs<object, object> = Outputs,
  T extends TaskTypes = AnyTask,
  Spec extends object = JsonObject,
> extends StageBase<P, Spec> {
  /** Not a gate. */
  readonly gate?: false
  /** Only a stage of one task checks. */
  readonly checks?: false
  /** Whether it can do without some of its tasks. `gather` then lacks those that failed or were skipped. @default false */
  readonly partial?: boolean
  /** The spec's inputs that its tasks read. @default none */
  readonly taskReads?: readonly string[]
  /** Lists the tasks of the stage. */
  plan(context: StageContext<P, N, Spec>): Promise<readonly TaskPlan<T['params'], T['inputs']>[]>
  /** Does the work of one task. */
  run(context: TaskContext<T, Spec>): Promise<T['outputs']>
  /** Combines the outputs of all tasks. @default values {tasks: {id: values}} and no files */
  gather?(context: GatherContext<P, N, T, Spec>): Promise<O>
}

/** A stage that waits for a person. Its question follows from its parameters. The answer remains valid as long as the parameters
 *  and the outputs of the stages that it needs stay the same. */
export interface GateStage<P = JsonObject, N extends Needs = AnyNeeds> extends StageBase<P, JsonObject> {
  /** Waits for a person. */
  readonly gate: true
  /** A gate plans nothing. */
  readonly plan?: never
  /** A gate does no work. */
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
