import { Failure } from '../errors/failure.js'

// Recognises the errors of Temporal's client without loading it, because commands that ask no server do not need it.

/** The answer of a server that did not do what it was asked. */
export interface GrpcError {
  /** Status code of gRPC, 1 to 16. */
  readonly code: number
  readonly details: string
}

/** The server's answer among the causes of an error; undefined if there is none. */
export function grpcErrorIn(error: unknown): GrpcError | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause) if (isGrpcError(inner)) return inner
  return undefined
}

function isGrpcError(error: Error): error is Error & GrpcError {
  const { code, details, metadata } = error as Partial<GrpcError & { readonly metadata: unknown }>
  return typeof code === 'number' && typeof details === 'string' && typeof metadata === 'object' && metadata !== null
}

/** Nothing answers: there may be no server, or one that hangs. Its kind is `NoServer`. */
export class ServerAway extends Failure {}

/** CANCELLED (of a connection that was lost), DEADLINE_EXCEEDED, UNAVAILABLE. */
const away: readonly number[] = [1, 4, 14]

/** Whether an error only means that no answer came: the same request may succeed later. */
export const isAway = (error: unknown): boolean =>
  error instanceof ServerAway || away.includes(grpcErrorIn(error)?.code ?? NaN)

/** Where a request went. */
export interface Asked {
  readonly address?: string
  readonly namespace?: string
}

const tryAgain = 'Try again: finished work is kept.'
const seeLog = 'See the server’s log, and check that its version is current.'

/** A gRPC error as a failure with a remedy; undefined for any other error. */
export function grpcFailure(error: unknown, { address, namespace }: Asked = {}): Failure | undefined {
  const found = grpcErrorIn(error)
  if (!found) return undefined
  const { code, details } = found
  const server = address === undefined ? 'The Temporal server' : `The Temporal server at ${address}`
  const named = namespace === undefined ? '' : ` "${namespace}"`
  const failure = (message: string, remedy: string) => new Failure('NoServer', message, { remedy, cause: error })
  // The same message would be refused again: it is the search that must change.
  if (/larger than max|too large|exceeds (?:the )?(?:size )?limit/i.test(details))
    return new Failure('InvalidInput', `${server} refuses a message as too large: ${details}`, {
      remedy: 'Make the search smaller (fewer variants, fewer stages, shorter names), or raise the server’s limit.',
      cause: error,
    })
  switch (code) {
    case 1:
      return failure(`The connection to ${server.replace(/^The/, 'the')} was lost: ${details}`, tryAgain)
    case 4:
      return failure(`${server} took too long to answer a request`, `It may be very busy. ${tryAgain}`)
    case 5:
      return /namespace/i.test(details)
        ? failure(
            `${server} has no namespace${named}`,
            'Create it, or name another: TEMPORAL_NAMESPACE, or namespace in temporal.toml.',
          )
        : failure(`${server} does not know what was requested: ${details}`, 'Check that it is the server of this run.')
    case 7:
    case 16:
      return failure(
        `${server} refuses us: ${details}`,
        `Check the API key (TEMPORAL_API_KEY, or api_key in temporal.toml) and its rights in the namespace${named}.`,
      )
    case 8:
      return failure(`${server} is too busy, or has reached a limit: ${details}`, tryAgain)
    case 12:
      return failure(
        `The server${address === undefined ? '' : ` at ${address}`} is not a Temporal server, or is too old: ${details}`,
        'Check the address: it must be that of Temporal’s frontend (gRPC), not of its UI.',
      )
    case 14:
      return failure(`${server} does not answer: ${details}`, tryAgain)
    case 2:
    case 13:
    case 15:
      return failure(`${server} failed to handle a request: ${details}`, seeLog)
    default:
      return failure(`${server} refuses a request: ${details}`, seeLog)
  }
}
