import type { FailureKind } from './failure.js'

/** What a stage threw, as the child told it; or what was found out about a task from outside. */
export class ChildFailure extends Error {
  readonly remedy: string | undefined
  readonly file: string | undefined
  /** Another attempt would end the same. */
  readonly final: boolean

  constructor(
    readonly type: FailureKind | 'TaskError' | 'MissingArtifact' | 'Timeout' | 'Exit',
    message: string,
    more: { remedy?: string | undefined; file?: string | undefined; stack?: string | undefined; final?: boolean } = {},
  ) {
    super(message)
    this.name = 'ChildFailure'
    this.remedy = more.remedy
    this.file = more.file
    this.final = more.final ?? false
    if (more.stack !== undefined) this.stack = more.stack
  }
}
