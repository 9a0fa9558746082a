import { legible } from './foreign.js'
import type { FailureKind } from './kinds.js'

export { exitCodes, type FailureKind } from './kinds.js'

/** A failure with a cause that a user can act on. Anything else that is thrown is a defect. */
export class Failure extends Error {
  /** Kind of the failure, which determines the exit code of a command. */
  readonly kind: FailureKind
  /** What the user can do about it, as a sentence. */
  readonly remedy: string | undefined
  /** The file at fault, if there is one. */
  readonly file: string | undefined

  constructor(kind: FailureKind, message: string, options: { remedy?: string; file?: string; cause?: unknown } = {}) {
    super(legible(message), { cause: options.cause })
    this.name = 'Failure'
    this.kind = kind
    this.remedy = options.remedy === undefined ? undefined : legible(options.remedy)
    this.file = options.file
  }
}
