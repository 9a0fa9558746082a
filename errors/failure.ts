/** Why a command or task ended without a result. Each kind has one exit code (docs: contract). */
export type FailureKind =
  | 'InvalidInput' // spec, problem, model or data is wrong: never retried
  | 'Infeasible' // the limits cannot be met: never retried
  | 'PluginBug' // a plugin broke a rule of its interface: never retried
  | 'TryAgain' // what it needs is not there yet: retried as long as the stage's policy says
  | 'NonFinite' // NaN or infinity where a number must be finite: never retried
  | 'OutOfDisk' // retried, then given up
  | 'OutOfMemory' // retried, then given up
  | 'NoServer' // no Temporal server, or no store
  | 'TaskFailed' // a task failed for good

/** A failure with a cause a user can act on. Everything else that is thrown is a defect. */
export class Failure extends Error {
  readonly kind: FailureKind
  /** What the user can do about it, as a sentence. */
  readonly remedy: string | undefined
  /** The file at fault, when there is one. */
  readonly file: string | undefined

  constructor(kind: FailureKind, message: string, options: { remedy?: string; file?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'Failure'
    this.kind = kind
    this.remedy = options.remedy
    this.file = options.file
  }
}

/** Exit codes of the command line (contract). A thrown error that is no Failure is a defect: 1. */
export const exitCodes: Readonly<Record<FailureKind, number>> = {
  InvalidInput: 2,
  Infeasible: 3,
  PluginBug: 4,
  NonFinite: 4,
  TaskFailed: 4,
  TryAgain: 4,
  NoServer: 5,
  OutOfDisk: 6,
  OutOfMemory: 6,
}
