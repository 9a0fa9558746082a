import type { ArtifactRef, Digest } from '../../store/store.js'
import type { BlockType, Json, JsonObject, Slot } from './block.js'

/** What a task or stage leaves behind: small JSON values, and artifacts by name. */
export interface Outputs {
  readonly values: JsonObject
  readonly files: Readonly<Record<string, ArtifactRef>>
}

/** One retryable unit of a stage. Everything here but `label` and `group` enters the task's key. */
export interface TaskPlan {
  /** Unique in the stage: `layer03/ffn/swiglu-256`. */
  readonly id: string
  /** For people: shown in the Temporal UI. */
  readonly label: string
  /** Tasks of one group run in one child workflow: `layer03`. Default: `all`. */
  readonly group?: string
  readonly params: JsonObject
  readonly inputs: Readonly<Record<string, ArtifactRef>>
}

/** Block types by slot and name, built in and from plugins. */
export interface Blocks {
  get(slot: Slot, name: string): BlockType
  has(slot: Slot, name: string): boolean
  list(): readonly BlockType[]
}

/** What a stage sees of the run. Inputs are resolved: artifacts for files and folders, JSON for the rest. */
export interface StageContext<P = JsonObject> {
  /** The stage's parameters from pipeline and spec, expressions resolved. */
  readonly params: P
  /** The pipeline's inputs (`model`, `data`, `space`, `target` …) as the frozen plan holds them; paths are absolute. */
  readonly spec: JsonObject
  /** Digest of each file or folder that the spec names, by its path in the spec (`model`, `data.train.path`). */
  readonly inputDigests: Readonly<Record<string, Digest>>
  readonly seed: number
  /** Outputs of stages this one needs, by stage name. */
  readonly stages: Readonly<Record<string, Outputs>>
  readonly blocks: Blocks
  /** Local path of an artifact's file (fetched and verified when it is not there). Read only. */
  open(ref: ArtifactRef): Promise<string>
  /** Stores bytes or JSON as an artifact. */
  put(kind: string, data: Uint8Array | Json): Promise<ArtifactRef>
  /** Stores a file as an artifact; the file is moved. */
  putFile(kind: string, path: string): Promise<ArtifactRef>
  log(message: string, fields?: JsonObject): void
}

export type PlanContext<P = JsonObject> = StageContext<P>

export interface TaskContext<P = JsonObject> extends StageContext<P> {
  readonly task: TaskPlan
  /** A folder of this task's key that survives crashes and retries; removed when the task is done. */
  readonly checkpoint: string
  /** A scratch folder, removed at the end of the attempt. */
  readonly scratch: string
  /** Folder in the user's state directory for what is pinned by machine (profiles). */
  readonly machineState: string
  readonly threads: number
  /** Aborted when the task is cancelled: stop at the next step, the checkpoint kept. */
  readonly signal: AbortSignal
  /** fraction 0..1 of the task, a short text, and what a resume needs to know (shown in the UI). */
  progress(fraction: number, message: string): void
}

export interface GatherContext<P = JsonObject> extends StageContext<P> {
  readonly tasks: readonly { readonly plan: TaskPlan; readonly outputs: Outputs }[]
  readonly scratch: string
  readonly threads: number
  progress(fraction: number, message: string): void
}

/**
 * A step of a pipeline. `plan`, `run` and `gather` are all executed in a child process; what they return is stored and
 * reused by key. A stage without `plan` is one task.
 */
export interface Stage<P = JsonObject> {
  readonly name: string
  /** Raised by hand when the same inputs give other outputs: it enters the keys. */
  readonly version: number
  /** JSON Schema of the parameters, defaults included. */
  readonly parameters: object
  /** Which of the spec's inputs it reads: their values enter its keys. Others are hidden from it. */
  readonly reads: readonly string[]
  /** Runs alone on its worker: for measurements. */
  readonly exclusive?: boolean
  plan?(context: PlanContext<P>): Promise<readonly TaskPlan[]>
  run(context: TaskContext<P>): Promise<Outputs>
  /** Many tasks -> one output. Default: values {tasks: {id: values}} and no files. */
  gather?(context: GatherContext<P>): Promise<Outputs>
}
