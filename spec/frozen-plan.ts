// Types only: workflows import this file.
import type { JsonObject, Slot } from '../api/block.js'
import type { Digest } from '../store/digest.js'

/** How often and how long a stage's tasks are tried again after a crash. Seconds. */
export interface RetryPolicy {
  readonly initialInterval?: number
  readonly maximumInterval?: number
  readonly backoff?: number
  readonly maximumAttempts?: number
  /** From a task's first attempt to its last one. */
  readonly within?: number
}

/**
 * What a task that fails for good does to its stage: `fail-fast` ends it at once; `finish-running` lets running tasks
 * finish; `continue` leaves the task out, if the stage can do without; `wait` waits for somebody's `retry` or `skip`.
 */
export type FailurePolicy = 'fail-fast' | 'finish-running' | 'continue' | 'wait'

/** How the engine runs a stage. */
export interface StageTerms {
  readonly name: string
  /** Names of the stages whose outputs it gets: those it needs, and those that its expressions name. */
  readonly needs: readonly string[]
  /** By stage: the name by which this one finds its outputs, where that is not the stage's. */
  readonly as?: Readonly<Record<string, string>>
  /** Runs alone on its worker. */
  readonly exclusive?: boolean
  /** Waits for a person instead of doing work. */
  readonly gate?: boolean
  /** Can do without some of its tasks. */
  readonly partial?: boolean
  /** Workers that do its tasks: those of `worker --queue`. Default: those of the run, which plan and gather in any case. */
  readonly queue?: string
  readonly onFailure?: FailurePolicy
  /** Share of tasks that must succeed where failed ones are left out, 0..1. */
  readonly minimumSuccess?: number
  readonly retry?: RetryPolicy
  /** Seconds that one attempt of a task may take. */
  readonly timeout?: number
}

/** A stage of the pipeline, ready to run. */
export interface PlannedStage extends StageTerms {
  /** The stage type. */
  readonly uses: string
  readonly version: number
  /** Digest of the plugin that the stage type came from, for those that are not built in. */
  readonly plugin?: Digest
  /** Checked, quantities as numbers, defaults filled in, paths absolute. Expressions are still texts (spec/expressions.ts). */
  readonly params: JsonObject
  /** Bytes that the processes of a task may hold together. */
  readonly memory?: number
}

/** A block type as the plan uses it. */
export interface PlannedBlock {
  readonly slot: Slot
  readonly name: string
  readonly version: number
  /** Digest of the plugin that it came from, for those that are not built in. */
  readonly plugin?: Digest
}

/** A run type as the plan uses it. */
export interface PlannedRun {
  readonly name: string
  readonly version: number
  /** Digest of the plugin that it came from, for those that are not built in. */
  readonly plugin?: Digest
}

/** The family of the plan's model, from a plugin: how the model is read. */
export interface PlannedFamily {
  readonly name: string
  /** Digest of the plugin. */
  readonly plugin: Digest
}

/** A plugin as the plan uses it. */
export interface PlannedPlugin {
  /** Name and version of its package.json, wherever it lies. */
  readonly name: string
  readonly version: string
  /** Of its code, compiled; this machine's cache keeps it under this digest. */
  readonly digest: Digest
}

/** A spec, checked and made independent of all other files: what a run runs. JSON. */
export interface FrozenPlan {
  /** Version of the format. */
  readonly version: 1
  /** Name of the spec. */
  readonly name: string
  /** Absolute. */
  readonly specFile: string
  /** Name of a pipeline, or `custom`. */
  readonly pipeline: string
  /** Seed of all random numbers. */
  readonly seed: number
  /** The pipeline's inputs: quantities as numbers, `space` entries as `{ block, … }`, defaults filled in, paths absolute. */
  readonly inputs: JsonObject
  /** Digest of each file or folder that the spec names, by its path in the spec: `model`, `data.train.path`, `stages.x.file`. */
  readonly inputDigests: Readonly<Record<string, Digest>>
  /** In an order in which each stage comes after those it needs. */
  readonly stages: readonly PlannedStage[]
  /** Block types that `space` names, those of the model, and those that runs of its layers become. */
  readonly blocks: readonly PlannedBlock[]
  /** Run types that `space` names. Absent where it names none. */
  readonly runs?: readonly PlannedRun[]
  /** Absent for families that come with puzzleflow. */
  readonly family?: PlannedFamily
  /** The model's head is the one that is stored, though its config.json says that it is the embedding. Earlier versions took
   *  the embedding. */
  readonly otherHead?: true
  /** Plugins whose code the plan uses. */
  readonly plugins: readonly PlannedPlugin[]
  /** Of all above but `specFile`, with paths as the spec writes them: the same wherever the folder lies. */
  readonly digest: Digest
}
