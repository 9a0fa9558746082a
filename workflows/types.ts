import type { Outcome } from '../api/outcome.js'
import type { StageTerms } from '../spec/frozen-plan.js'
import type { ArtifactRef } from '../store/store.js'

/** A stage as the workflow sees it. */
export interface StageNode extends StageTerms {
  /** Name of the run: tasks of different runs get their turns. */
  readonly run: string
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
  /** Outputs of stages that are needed but not run. */
  readonly given: StageOutputs
  /** Most tasks of each stage in flight at the same time. */
  readonly concurrency?: number
}

/** What a stage needs of those before it: an artifact with the outputs of each. */
export type StageOutputs = Readonly<Record<string, ArtifactRef>>

/** A task as workflows see it. */
export interface TaskRef {
  readonly index: number
  readonly id: string
  readonly label: string
  /** Key of its result, if the store had that when the stage was planned. */
  readonly found?: string
}
export interface TaskGroup {
  readonly name: string
  readonly tasks: readonly TaskRef[]
}

/** Tasks of a stage's list that follow each other, by their index: those of one workflow. */
export interface TaskPage {
  readonly from: number
  /** The first that does not belong to it. */
  readonly to: number
}

/** A stage that was planned. */
export interface PlannedTasks {
  /** Artifact with the whole list. */
  readonly tasks: ArtifactRef
  /** Artifact with the key of each, and what it is the digest of: for workers of the stage's queue, which may be programs
   *  that cannot find keys themselves. Absent if the stage has no `queue`. */
  readonly keys?: ArtifactRef
  /** None where there are pages. */
  readonly groups: readonly TaskGroup[]
  /** Of a list that messages and histories cannot hold: workflows read the page that they do. */
  readonly pages?: readonly TaskPage[]
  readonly total: number
}

/** A task that is done: its outputs are in the store under its key. */
export interface TaskDone {
  readonly key: string
  readonly reused: boolean
  readonly seconds: number
}

/** A task that is done, or left out: it failed, or somebody said so. */
export type TaskResult =
  | ({ readonly kind: 'done' } & TaskDone)
  | { readonly kind: 'skipped'; readonly reason: string; readonly failed?: boolean }

/** A task that is left out. */
export interface Skipped {
  readonly task: string
  readonly reason: string
}

/** What became of the tasks of a page so far. */
export interface PageDone {
  /** Those that are left out included. */
  readonly done: number
  readonly reused: number
  /** Of work. */
  readonly seconds: number
  readonly leftOut: number
  /** That was left out last. */
  readonly last?: Skipped
}

export interface StageRequest {
  readonly plan: ArtifactRef
  readonly stage: string
  readonly outputs: StageOutputs
}
export interface TaskRequest extends StageRequest {
  readonly tasks: ArtifactRef
  readonly keys?: ArtifactRef
  readonly task: TaskRef
}
export interface GatherRequest extends StageRequest {
  readonly tasks: ArtifactRef
  /** In the order of the tasks; null where a task is left out. Absent where the tasks are in pages: they follow from the list. */
  readonly keys?: readonly (string | null)[]
  readonly skipped: readonly Skipped[]
  /** Artifacts with lists of more that are left out. */
  readonly leftOut?: readonly ArtifactRef[]
}
export interface PageRequest extends StageRequest {
  readonly tasks: ArtifactRef
  readonly page: TaskPage
}
export interface FindRequest extends StageRequest {
  readonly tasks: ArtifactRef
  readonly id: string
}
export interface ApprovalRequest extends StageRequest {
  /** Absent to see whether the question was answered before. */
  readonly answer?: Approval
}
export type ApprovalResult =
  | { readonly kind: 'open'; readonly question: string }
  | { readonly kind: 'refused'; readonly comment?: string }
  | { readonly kind: 'approved'; readonly outputs: ArtifactRef }

/** The activities that the worker offers. */
export interface Activities {
  planStage(request: StageRequest): Promise<PlannedTasks>
  executeTask(request: TaskRequest): Promise<TaskDone>
  approval(request: ApprovalRequest): Promise<ApprovalResult>
  gatherStage(request: GatherRequest): Promise<TaskDone & { readonly outputs: ArtifactRef; readonly outcome?: Outcome }>
  /** The tasks of a page. */
  pageTasks(request: PageRequest): Promise<readonly TaskRef[]>
  /** Where a task stands in its stage's list; null when there is none of that name. */
  findTask(request: FindRequest): Promise<number | null>
  /** Keeps a list that may become too long for a message. */
  keepLeftOut(request: { readonly skipped: readonly Skipped[] }): Promise<ArtifactRef>
  /** Asks the server to cancel the workflow that calls it. */
  cancelRun(): Promise<void>
}

/** Input of a workflow that does some of a stage's tasks. */
export interface PartInput extends StageRequest {
  readonly tasks: ArtifactRef
  readonly keys?: ArtifactRef
  readonly node: StageNode
  readonly pace: Pace
  /** Tasks that were left out before it began. */
  readonly skipped: readonly { readonly id: string; readonly reason: string }[]
}
export interface GroupInput extends PartInput {
  readonly group: TaskGroup
  /** Of the stage; absent in runs that began when groups did not ask for it. */
  readonly total?: number
}
export interface PageInput extends PartInput {
  readonly page: TaskPage
  /** Of the stage. */
  readonly total: number
}

/** Where a stage stands. */
export interface StageProgress {
  readonly stage: string
  /** Can do without some of its tasks: they may be skipped. */
  readonly partial?: boolean
  /** `asking`: it waits for a person's approval. */
  state: 'waiting' | 'running' | 'asking' | 'done' | 'failed' | 'cancelled'
  /** Tasks, those that are left out included. */
  done: number
  total: number
  reused: number
  /** Of work, in all tasks. */
  seconds: number
  /** Until its tasks are done, at the speed since it began or resumed; absent while that is unknown. */
  secondsLeft?: number
  /** Tasks that are left out. */
  leftOut: number
  /** Some of them, at most a hundred. */
  skipped: readonly Skipped[]
  /** Tasks that failed and wait for `retry` or `skip`: of each group or page a hundred at most at a time. */
  waiting: readonly string[]
  /** What failed last. */
  trouble?: { readonly message: string; readonly remedy?: string }
  /** What a person is to approve. */
  question?: string
}

/** Answer of the query `progress`. */
export interface SearchProgress {
  /** Progress of each stage, in the order of the pipeline. */
  readonly stages: readonly StageProgress[]
  /** 0..1 */
  readonly fraction: number
  /** Whether the run is paused. */
  readonly paused: boolean
  /** Largest number of tasks of a stage in flight at once. */
  readonly concurrency: number
  /** What its stages say about all of it so far. */
  readonly outcome?: Outcome
}

export interface SearchResult {
  /** What a stage said about all of it; absent where none did. */
  readonly outcome?: Outcome
  /** Outputs of every stage. */
  readonly outputs: StageOutputs
}

/** A person's answer to a stage that waits for one. */
export interface Approval {
  readonly stage: string
  readonly approved: boolean
  readonly by?: string
  readonly comment?: string
}

/** How a group is to work from now on. */
export interface Pace {
  readonly paused: boolean
  /** Most tasks in flight at the same time. */
  readonly window: number
  /** The stage has failed: what runs may finish, nothing begins. */
  readonly ending?: boolean
}
