import type { JsonObject, Slot } from '../api/index.js'
import type { DataFile } from '../data/documents.js'
import type { TasksInput } from '../data/read-tasks.js'
import type { Scenario } from '../model/index.js'
import type { ChoiceRule } from './choices.js'
import type { Limit } from './limit.js'

// Inputs of the pipeline `puzzle` (plugins/pipelines/puzzle.yaml) as stages see them: checked against its schemas, with
// absolute paths, and with quantities as numbers.

/** The input `model`. */
export interface ModelInput {
  /** The parent: a checkpoint folder or a GGUF file. */
  readonly model: string
}

/** The inputs `data` and `tasks`. */
export interface DataInput {
  readonly data: {
    readonly train: DataFile
    readonly validate: DataFile
    /** Text that the search never sees. */
    readonly test?: DataFile
    /** Tokens per sequence. @default 128 */
    readonly sequenceLength?: number
  }
  readonly tasks?: TasksInput
}

/** The input `space`. */
export interface SpaceInput {
  readonly space: Space
}

/** The search space: candidate blocks for each slot, and replacements of runs of layers. */
export type Space = Readonly<Record<Slot, readonly (string | JsonObject)[]>> & {
  /** Replacements of runs of layers. */
  readonly runs?: readonly JsonObject[]
  /** Types of the head that the search may choose from, as `weights`. @default the parent's */
  readonly head?: JsonObject
}

/** The input `target`. */
export interface TargetInput {
  readonly target: Target
}

type Limits = Readonly<Partial<Record<Limit['name'], Omit<Limit, 'name' | 'scenario'>>>>

/** A scenario whose number of sequences at once may be a choice of the search. */
export type TargetScenario = Omit<Scenario, 'batch'> & { readonly batch: number | readonly number[] }

/** What a child's quality can be judged by, on text and tasks that were held out. */
export type QualityMeasure = 'accuracy' | 'perplexity' | 'kl'

/** Where the child will run, and the limits it must meet. */
export interface Target {
  /** Absent where there are `scenarios`. */
  readonly scenario?: TargetScenario
  readonly limits?: Limits
  /** Several loads that the child must bear, each with its limits. */
  readonly scenarios?: Readonly<Record<string, Scenario & { readonly limits?: Limits }>>
  /** What layers must have, must not have, or how many may have it. */
  readonly choices?: readonly ChoiceRule[]
  /** What the child must keep: a share of the parent's mean accuracy, or bounds by measure. */
  readonly quality?: { readonly value: number } | Readonly<Partial<Record<QualityMeasure, { readonly value: number }>>>
  /** Threads that will serve the child. @default 1 */
  readonly threads?: number
  readonly format?: 'hf' | 'gguf'
  /** Path of a cost table that was measured elsewhere. */
  readonly profile?: string
}
