import { Failure } from '../errors/failure.js'
import { isFailureKind, type FailureKind } from '../errors/kinds.js'
import { grpcFailure } from '../server/grpc-errors.js'
import { exitCodes, type Ending } from './exit-codes.js'
import { visible } from '../errors/visible.js'
import { framed } from './framed.js'
import { colours } from './output.js'
import { formatDiagnostic, type Diagnostic } from '../spec/diagnostics.js'

/** A spec with mistakes. */
export class BadSpec extends Error {
  constructor(
    /** All mistakes, in the order of the text. */
    readonly diagnostics: readonly Diagnostic[],
    /** Values that were laid over those of the spec. */
    readonly overrides: readonly string[] = [],
  ) {
    super(diagnostics.map(formatDiagnostic).join('\n'))
    this.name = 'BadSpec'
  }
}

/** What ended a command, as `--json` prints it. */
export interface ErrorReport {
  readonly kind: Exclude<Ending, 'Done' | 'NotAccepted'>
  readonly exitCode: number
  readonly message: string
  /** What the user can do about it. */
  readonly remedy?: string | undefined
  /** All mistakes of a spec. */
  readonly diagnostics?: readonly Diagnostic[]
}

/** An error as text for people and as JSON, with its exit code (docs/operations.md). */
export function explain(error: unknown): { exitCode: number; text: string; json: ErrorReport } {
  const report = reportOf(error)
  const { exitCode, message, remedy, kind } = report
  const text = [
    // A message's own escapes must not end its colour.
    error instanceof BadSpec
      ? framed(error.diagnostics, error.overrides, process.stderr).join('\n')
      : colours.red(visible(message)),
    ...(remedy === undefined ? [] : [`Remedy: ${remedy}`]),
    ...(kind === 'Defect' ? ['This is a defect in puzzleflow.'] : []),
  ]
  return { exitCode, text: text.join('\n'), json: report }
}

const full = ['ENOSPC', 'EDQUOT']

function reportOf(error: unknown): ErrorReport {
  const as = (kind: FailureKind, message: string, remedy?: string): ErrorReport => ({
    kind,
    exitCode: exitCodes[kind],
    message,
    ...(remedy === undefined ? {} : { remedy }),
  })
  if (error instanceof BadSpec) return { ...as('InvalidInput', error.message), diagnostics: error.diagnostics }
  if (error instanceof Failure) return as(error.kind, error.message, error.remedy)
  if (full.includes((error as NodeJS.ErrnoException).code ?? ''))
    return as('OutOfDisk', `The disk is full: ${(error as Error).message}`, 'Free some space.')
  const refusal = grpcFailure(error)
  if (refusal) return as(refusal.kind, refusal.message, refusal.remedy)
  const [last, ...around] = [...chain(error)].reverse()
  switch (last?.name) {
    case 'ApplicationFailure': {
      const { type = '', message, details } = last as Wrapped
      if (type === 'Cancelled') return cancelled
      const remedy = details?.[0]?.remedy
      if (isFailureKind(type)) return as(type, message, remedy)
      return as('TaskFailed', `A task failed for good: ${message}`, remedy)
    }
    case 'TimeoutFailure': {
      const { activityId } = (around.find(({ name }) => name === 'ActivityFailure') ?? {}) as { activityId?: string }
      const remedy = 'Give the stage more time: `timeout` or `retry` in the pipeline.'
      return as('TaskFailed', `${activityId ?? 'The run'} took longer than allowed: ${last.message}`, remedy)
    }
    case 'CancelledFailure':
      return cancelled
    case 'TerminatedFailure':
      return as('TaskFailed', `The run was terminated: ${last.message}`, 'Run the same command to start it again.')
    default:
      return {
        kind: 'Defect',
        exitCode: exitCodes.Defect,
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }
  }
}

const cancelled: ErrorReport = { kind: 'Cancelled', exitCode: exitCodes.Cancelled, message: 'The run was cancelled.' }

interface Wrapped extends Error {
  readonly type?: string
  readonly details?: readonly { readonly remedy?: string }[]
}

/** An error and its causes: Temporal wraps what happened in failures of activities and workflows. */
function* chain(error: unknown): Iterable<Error> {
  for (let inner = error; inner instanceof Error; inner = inner.cause) yield inner
}
