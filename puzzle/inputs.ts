import type { JsonObject, Slot } from '../api/index.js'
import type { DataFile } from '../data/documents.js'
import type { Scenario } from '../model/index.js'
import type { Limit } from './limit.js'

// What the pipeline `puzzle` asks of a spec (plugins/pipelines/puzzle.yaml), as stages see it: checked by its schemas, paths
// absolute, quantities as numbers.

export interface ModelInput {
  /** The parent: a checkpoint folder or a GGUF file. */
  readonly model: string
}

export interface DataInput {
  readonly data: {
    readonly train: DataFile
    readonly validate: DataFile
    /** Never seen by the search. */
    readonly test?: DataFile
    /** Tokens per sequence. @default 128 */
    readonly sequenceLength?: number
  }
  /** Folder of tasks. */
  readonly tasks?: string
}

export interface SpaceInput {
  readonly space: Space
}

/** What each layer may become. */
export type Space = Readonly<Record<Slot, readonly (string | JsonObject)[]>> & {
  /** Replacements of runs of layers. */
  readonly runs?: readonly JsonObject[]
}

export interface TargetInput {
  readonly target: Target
}

export interface Target {
  readonly scenario: Scenario
  readonly limits?: Readonly<Partial<Record<Limit['name'], Omit<Limit, 'name'>>>>
  /** Floor under the child's mean task accuracy, as a share of the parent's. */
  readonly quality?: { readonly value: number }
  readonly format?: 'hf' | 'gguf'
  /** A cost table measured elsewhere. */
  readonly profile?: string
}
