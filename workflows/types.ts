import type { RetryPolicy } from '../spec/frozen-plan.js'
import type { ArtifactRef } from '../store/store.js'

/** A stage as the workflow sees it. */
export interface StageNode {
  readonly name: string
  readonly needs: readonly string[]
  readonly exclusive?: boolean
  readonly retry?: RetryPolicy
  /** Seconds of one attempt of a task. */
  readonly timeout?: number
  /** Seconds without a sign of life after which an attempt is taken for lost. Default 20. */
  readonly heartbeat?: number
}

/** Input of the workflow `search`. The plan itself stays in the store. */
export interface SearchInput {
  readonly run: string
  readonly name: string
  readonly specDigest: string
  readonly model: string
  readonly plan: ArtifactRef
  readonly stages: readonly StageNode[]
}

/** What a stage needs of those before it: an artifact with the outputs of each. */
export type StageOutputs = Readonly<Record<string, ArtifactRef>>

/** A task as workflows see it. */
export interface TaskRef {
  readonly index: number
  readonly id: string
  readonly label: string
}
export interface TaskGroup {
  readonly name: string
  readonly tasks: readonly TaskRef[]
}

/** A stage that was planned. */
export interface PlannedTasks {
  /** Artifact with the whole list. */
  readonly tasks: ArtifactRef
  readonly groups: readonly TaskGroup[]
  readonly total: number
}

/** A task that is done: its outputs are in the store under its key. */
export interface TaskDone {
  readonly key: string
  readonly reused: boolean
  readonly seconds: number
}

export interface StageRequest {
  readonly plan: ArtifactRef
  readonly stage: string
  readonly outputs: StageOutputs
}
export interface TaskRequest extends StageRequest {
  readonly tasks: ArtifactRef
  readonly task: TaskRef
}
export interface GatherRequest extends StageRequest {
  readonly tasks: ArtifactRef
  readonly keys: readonly string[]
}

/** The activities that the worker offers. */
export interface Activities {
  planStage(request: StageRequest): Promise<PlannedTasks>
  executeTask(request: TaskRequest): Promise<TaskDone>
  gatherStage(request: GatherRequest): Promise<TaskDone & { readonly outputs: ArtifactRef }>
}

export interface GroupInput extends StageRequest {
  readonly tasks: ArtifactRef
  readonly group: TaskGroup
  readonly node: StageNode
}

/** Where a stage stands. */
export interface StageProgress {
  readonly stage: string
  state: 'waiting' | 'running' | 'done' | 'failed'
  done: number
  total: number
  reused: number
  seconds: number
}

/** Answer of the query `progress`. */
export interface SearchProgress {
  readonly stages: readonly StageProgress[]
  /** 0..1 */
  readonly fraction: number
}

export interface SearchResult {
  /** Outputs of every stage. */
  readonly outputs: StageOutputs
}
