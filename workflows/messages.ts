import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { Approval, Pace, PageDone, SearchProgress, TaskResult } from './types.js'

/** A task by name: `distill/layer03/ffn/swiglu-256`. */
export interface TaskName {
  readonly task: string
}

/** Where every stage of a search stands. */
export const progressQuery = defineQuery<SearchProgress>('progress')

// Updates of `search`: validated before they are accepted, and in the history for ever. Each answers with a sentence.

/** Starts no more tasks; running ones save a checkpoint and stop. */
export const pauseUpdate = defineUpdate<string>('pause')
/** Goes on after a pause. */
export const resumeUpdate = defineUpdate<string>('resume')
/** Ends the search; what is finished is kept. */
export const cancelUpdate = defineUpdate<string>('cancel')
/** Most tasks in flight at the same time. */
export const concurrencyUpdate = defineUpdate<string, [number]>('concurrency')
/** Tries a task again now: one that failed and is waited for, or one that runs or waits between attempts. */
export const retryUpdate = defineUpdate<string, [TaskName]>('retry')
/** Leaves a task out of a stage that can do without. */
export const skipUpdate = defineUpdate<string, [TaskName & { readonly reason?: string }]>('skip')
/** Answers a stage that waits for a person. */
export const approveUpdate = defineUpdate<string, [Approval]>('approve')

// From a search to the groups of its tasks.

export const paceSignal = defineSignal<[Pace]>('pace')
/** Tasks of the group by id. */
export const retrySignal = defineSignal<[string]>('retry')
export const skipSignal = defineSignal<[{ readonly id: string; readonly reason: string }]>('skip')

// From a group to its search: what became of a task that ran on.

/** Tasks of a stage that are over while others of their group still run. */
export const resultsSignal = defineSignal<[GroupResults]>('results')
export interface GroupResults {
  readonly stage: string
  readonly results: readonly { readonly task: string; readonly result: TaskResult }[]
}

/** How far a page of a stage is, all in all. */
export const pageSignal = defineSignal<[PageNews]>('page')
export interface PageNews extends PageDone {
  readonly stage: string
  /** The page's first task. */
  readonly from: number
}

/** A task failed for good and waits for `retry` or `skip`, or no longer waits. */
export const troubleSignal = defineSignal<[Trouble]>('trouble')
export interface Trouble {
  readonly task: string
  /** Absent when the trouble is over. */
  readonly message?: string
  readonly remedy?: string
}

/** A task of a stage, named here, has failed for good: what runs may finish, nothing begins. */
export const endingSignal = defineSignal<[string]>('ending')
