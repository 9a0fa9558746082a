import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig'
import { Failure } from '../plugins/api/index.js'
import { payloadConverter } from './codec.js'
import { grpcErrorIn, refusalIn } from './grpc-errors.js'
import { ourServer } from './own.js'

/** How to reach a server: what a client and a worker are made with. */
export interface Access {
  readonly address: string
  readonly namespace: string
  /** Address, TLS, API key: of Temporal's own environment variables and profile file. */
  readonly connection: Pick<ConnectionOptions, 'address' | 'tls' | 'apiKey' | 'metadata'>
  /** Encrypts payloads, where the user gave a key. */
  readonly dataConverter: DataConverter
}

/** The address that the environment or Temporal's profile file names, if any. */
export const configuredAddress = (): string | undefined => profile().address

/** Our own server, which knows no TLS and one namespace: it is on this machine, and not what the settings name. */
function isOwn(address: string): boolean {
  const [, port] = /^(?:127\.[\d.]+|localhost|\[::1\]):(\d+)$/.exec(address) ?? []
  return port !== undefined && configuredAddress() !== address && ourServer()?.address === `127.0.0.1:${port}`
}

/** @param address  of a server; our own is reached plainly, all others as environment and profile file say */
export function accessTo(address: string): Access {
  const dataConverter = payloadConverter()
  if (isOwn(address)) return { address, namespace: 'default', connection: { address }, dataConverter }
  const { namespace = 'default', connectionOptions } = readable(() => toClientOptions(profile()))
  const { tls, apiKey, metadata } = connectionOptions
  const connection = {
    address,
    ...(tls === undefined || tls === null ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
  }
  return { address, namespace, connection, dataConverter }
}

const profile = () => readable(() => loadClientConfigProfile())

/** What settings say. @throws Failure InvalidInput when they, or files that they name, cannot be read */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Failure('InvalidInput', `Temporal's settings cannot be read: ${(error as Error).message}`, {
      remedy:
        'Mend the profile file, or the environment variables TEMPORAL_… that name it, and the files that they name.',
      cause: error,
    })
  }
}

/** A connection, as settings say. @throws Failure NoServer */
export async function openConnection(address: string, connectTimeout = 10_000): Promise<Connection> {
  const access = accessTo(address)
  try {
    return await Connection.connect({ ...access.connection, connectTimeout })
  } catch (error) {
    throw unusable(access, error)
  }
}

/** Number of gRPC. */
const notFound = 5
/** Why a server cannot be used. */
export function unusable({ address, namespace, connection }: Access, error: unknown): Failure {
  const refused = refusalIn(error)
  const failure = (message: string, remedy: string) => new Failure('NoServer', message, { remedy, cause: error })
  if (refused !== undefined)
    return failure(
      `The Temporal server at ${address} refuses us: ${refused}`,
      `Check the API key (TEMPORAL_API_KEY, or api_key in temporal.toml) and its rights in the namespace "${namespace}".`,
    )
  if (grpcErrorIn(error)?.code === notFound)
    return failure(
      `The Temporal server at ${address} has no namespace "${namespace}"`,
      'Create it, or name another: TEMPORAL_NAMESPACE, or namespace in temporal.toml.',
    )
  if (connection.tls !== undefined && connection.tls !== false)
    return failure(
      `No Temporal server answers with TLS at ${address}`,
      'Check the address, and the certificates that TEMPORAL_TLS_… or temporal.toml name.',
    )
  return failure(
    `No Temporal server answers at ${address}`,
    'Start it, or leave the address out: puzzleflow then starts a server of its own.',
  )
}

/** A client of a server. @throws Failure NoServer */
export async function connect(address: string): Promise<Client> {
  const { namespace, dataConverter } = accessTo(address)
  return new Client({ connection: await openConnection(address, 3000), namespace, dataConverter })
}
