import { entryOf } from './foreign.js'

/** What is known about a kind of failure. */
export interface FailureTraits {
  /** Exit code of a command that ends with it (docs/operations.md). Without one, only tasks fail this way, and the command
   *  ends with `TaskFailed`. */
  readonly exitCode?: number
  /** Whether another attempt may succeed. If not, it fails for good the first time. */
  readonly retryable: boolean
  /** Failures after which a task fails for good; default: as many as the stage's policy allows. Attempts lost with a worker
   *  or a server do not count: a long task may lose any number of them. */
  readonly attempts?: number
  /** Whether the code of a plugin may be the cause. */
  readonly blamesPlugin: boolean
  /** Remedy for failures that do not bring their own. */
  readonly remedy?: string
}

/** Every kind of failure. The one place that knows them; workflows import it, so it is data only. */
const kinds = {
  /** The spec, problem, model or data is wrong. */
  InvalidInput: { exitCode: 2, retryable: false, blamesPlugin: true },
  /** The limits cannot be met. */
  Infeasible: { exitCode: 3, retryable: false, blamesPlugin: true },
  /** A plugin broke a rule of its interface. */
  PluginBug: { exitCode: 4, retryable: false, blamesPlugin: true },
  /** NaN or infinity where a number must be finite. */
  NonFinite: { exitCode: 4, retryable: false, blamesPlugin: true },
  /** A task failed for good. */
  TaskFailed: { exitCode: 4, retryable: false, blamesPlugin: true },
  /** Something the task needs is not there yet. */
  TryAgain: { exitCode: 4, retryable: true, blamesPlugin: true },
  /** No Temporal server, or no store. With the back-off, it has a quarter of an hour to come back. */
  NoServer: { exitCode: 5, retryable: true, attempts: 20, blamesPlugin: false },
  /** With the back-off, there is a quarter of an hour to free space. */
  OutOfDisk: { exitCode: 6, retryable: true, attempts: 20, blamesPlugin: false },
  OutOfMemory: { exitCode: 6, retryable: true, attempts: 20, blamesPlugin: true },
  /** An artifact is absent or corrupt. */
  MissingArtifact: {
    retryable: false,
    blamesPlugin: false,
    remedy: 'Run it again: what is missing is computed again, everything else is reused.',
  },
  /** The task threw something else: after three times, the stage has a defect. */
  TaskError: {
    retryable: true,
    attempts: 3,
    blamesPlugin: true,
    remedy: 'See logs/tasks.log in the store for the stack.',
  },
  /** The task ended its process. */
  Exit: {
    retryable: true,
    attempts: 3,
    blamesPlugin: true,
    remedy: 'See logs/tasks.log in the store. Something in the task ends its process: look for `process.exit`.',
  },
  /** The task took longer than its stage allows. */
  Timeout: { retryable: true, attempts: 3, blamesPlugin: true },
  /** A signal ended the task's process. */
  Crash: {
    retryable: true,
    attempts: 10,
    blamesPlugin: true,
    remedy: 'See logs/tasks.log in the store; a process that SIGKILL ended may have had too little memory.',
  },
} as const satisfies Readonly<Record<string, FailureTraits>>

/** How a task can fail. */
export type TaskFailureKind = keyof typeof kinds

/** How a command can fail, or a task: the kinds with an exit code. */
export type FailureKind = {
  [Kind in TaskFailureKind]: (typeof kinds)[Kind] extends { readonly exitCode: number } ? Kind : never
}[TaskFailureKind]

const entries = (Object.keys(kinds) as TaskFailureKind[]).map((kind): [TaskFailureKind, FailureTraits] => [
  kind,
  kinds[kind],
])

/** Exit codes of failures (docs/operations.md). Anything thrown that is not a `Failure` is a defect: 1. */
export const exitCodes = Object.fromEntries(
  entries.flatMap(([kind, { exitCode }]) => (exitCode === undefined ? [] : [[kind, exitCode]])),
) as Readonly<Record<FailureKind, number>>

/** Kinds that another attempt would only repeat. */
export const notRetried: readonly TaskFailureKind[] = entries.flatMap(([kind, { retryable }]) =>
  retryable ? [] : [kind],
)

/** What is known about a kind; undefined for a kind that workers in other languages or plugins made up. */
export const traitsOf = (kind: string): FailureTraits | undefined => entryOf(kinds, kind)

/** Whether a command can end with this kind. */
export const isFailureKind = (kind: string): kind is FailureKind => traitsOf(kind)?.exitCode !== undefined
