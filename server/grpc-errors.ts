// Temporal's client is not needed to know its errors: commands that ask no server do not load it.

/** What a server answered with that did not do what it was asked. */
export interface GrpcError {
  /** Number of gRPC. */
  readonly code: number
  readonly details: string
}

/** What a server answered, among the reasons of an error. */
export function grpcErrorIn(error: unknown): GrpcError | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause) if (isGrpcError(inner)) return inner
  return undefined
}

function isGrpcError(error: Error): error is Error & GrpcError {
  const { code, details, metadata } = error as Partial<GrpcError & { readonly metadata: unknown }>
  return typeof code === 'number' && typeof details === 'string' && typeof metadata === 'object' && metadata !== null
}

/** PERMISSION_DENIED, UNAUTHENTICATED. */
const refusals: readonly number[] = [7, 16]

/** INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
const mayBeTooLarge: readonly number[] = [3, 8]

/** In what words a server, or the way to it, refused a message that is larger than they take; undefined when that is not what
 *  happened. */
export function tooLargeIn(error: unknown): string | undefined {
  const found = grpcErrorIn(error)
  const says = /larger than max|exceeds (the )?(size )?limit|message too large/i
  return found && mayBeTooLarge.includes(found.code) && says.test(found.details) ? found.details : undefined
}

/** In what words a server refused a request because of who asks; undefined when that is not what happened. */
export function refusalIn(error: unknown): string | undefined {
  const found = grpcErrorIn(error)
  return found && refusals.includes(found.code) ? found.details : undefined
}
