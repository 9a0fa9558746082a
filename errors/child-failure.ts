import { legible } from './foreign.js'
import type { TaskFailureKind } from './kinds.js'

/** What a stage threw, as reported by its child process, or what the worker found out about a task from outside. */
export class ChildFailure extends Error {
  readonly remedy: string | undefined
  readonly file: string | undefined
  /** Whether another attempt would fail the same way. */
  readonly final: boolean

  constructor(
    readonly type: Exclude<TaskFailureKind, 'Crash'>,
    message: string,
    more: { remedy?: string | undefined; file?: string | undefined; stack?: string | undefined; final?: boolean } = {},
  ) {
    super(legible(message))
    this.name = 'ChildFailure'
    this.remedy = more.remedy
    this.file = more.file
    this.final = more.final ?? false
    if (more.stack !== undefined) this.stack = more.stack
  }
}
