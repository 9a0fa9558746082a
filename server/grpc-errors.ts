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

/** In what words a server refused a request because of who asks; undefined when that is not what happened. */
export function refusalIn(error: unknown): string | undefined {
  const found = grpcErrorIn(error)
  return found && refusals.includes(found.code) ? found.details : undefined
}
