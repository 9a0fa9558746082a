import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig'
import { Failure } from '../api/index.js'
import { payloadConverter } from './codec.js'
import { isBad, isLoopback, parseAddress } from './address.js'
import { grpcFailure, isAway, ServerAway } from './grpc-errors.js'
import { ourServer } from './own.js'
import { proxyOf, type Proxy } from './proxy.js'

/** How to reach a server: options for a client and a worker. */
export interface Access {
  readonly address: string
  readonly namespace: string
  /** Address, TLS and API key, from Temporal's environment variables and profile file. */
  readonly connection: Pick<ConnectionOptions, 'address' | 'tls' | 'apiKey' | 'metadata' | 'channelArgs'>
  /** The proxy for a worker; a client's library finds it by itself. */
  readonly proxy?: Proxy
  /** Encrypts payloads if the user set a key. */
  readonly dataConverter: DataConverter
}

/** The address in TEMPORAL_ADDRESS or Temporal's profile file; undefined if there is none.
 *  @throws Failure InvalidInput if the settings cannot be read, or the address is not `HOST:PORT` */
export function configuredAddress(): string | undefined {
  const { address } = profile()
  if (address === undefined) return undefined
  const read = parseAddress(address)
  if (!isBad(read)) return address
  const where = process.env.TEMPORAL_ADDRESS === address ? 'TEMPORAL_ADDRESS' : 'address in temporal.toml'
  throw new Failure('InvalidInput', `${where}: "${address}" ${read.problem}`, { remedy: read.remedy })
}

/** Whether it is puzzleflow's server, which has no TLS and one namespace: on this machine, and not named by the settings. */
function isOwn(address: string): boolean {
  const read = parseAddress(address)
  if (isBad(read) || !isLoopback(address)) return false
  return profile().address !== address && ourServer()?.address === `127.0.0.1:${read.port}`
}

/**
 * How to reach a server: puzzleflow's without TLS, any other as the environment and Temporal's profile file say.
 *
 * @param address  `HOST:PORT`
 * @throws Failure InvalidInput if Temporal's settings or the key cannot be read
 */
export function accessTo(address: string): Access {
  const dataConverter = payloadConverter()
  // A proxy cannot reach this machine's loopback.
  const direct = isLoopback(address) ? { channelArgs: { 'grpc.enable_http_proxy': 0 } } : {}
  if (isOwn(address)) return { address, namespace: 'default', connection: { address, ...direct }, dataConverter }
  const { namespace = 'default', connectionOptions } = readable(() => toClientOptions(profile()))
  const { tls, apiKey, metadata } = connectionOptions
  const connection = {
    address,
    ...direct,
    ...(tls === undefined || tls === null ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
  }
  const proxy = proxyOf(address)
  return { address, namespace, connection, ...(proxy && { proxy }), dataConverter }
}

/** Whether Temporal's settings hold what proves to a server who the user is. */
export function holdsCredentials(): boolean {
  const { apiKey, tls, grpcMeta = {} } = profile()
  return apiKey !== undefined || tls?.clientCert !== undefined || Object.keys(grpcMeta).length > 0
}

const profile = () => readable(() => loadClientConfigProfile())

/** The settings. @throws Failure InvalidInput if they, or files that they name, cannot be read */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Failure('InvalidInput', `Temporal's settings cannot be read: ${(error as Error).message}`, {
      remedy: 'Correct the profile file, the TEMPORAL_… environment variables, or the files that they name.',
      cause: error,
    })
  }
}

/** Connects as the settings say. @throws Failure NoServer */
export async function openConnection(address: string, connectTimeout = 10_000): Promise<Connection> {
  const access = accessTo(address)
  try {
    return await Connection.connect({ ...access.connection, connectTimeout })
  } catch (error) {
    throw unusable(access, error)
  }
}

/** Why a server cannot be used. */
export function unusable({ address, namespace, connection, proxy }: Access, error: unknown): Failure {
  const said = grpcFailure(error, { address, namespace })
  if (said && !isAway(error)) return said
  const nobody = (message: string, remedy: string) => new ServerAway('NoServer', message, { remedy, cause: error })
  if (proxy)
    return nobody(
      `No Temporal server answers at ${address} through the proxy ${proxy.address} (${proxy.variable})`,
      'Check the address and the proxy, or name the server in no_proxy.',
    )
  if (connection.tls !== undefined && connection.tls !== false)
    return nobody(
      `No Temporal server answers with TLS at ${address}`,
      'Check the address, and the certificates that TEMPORAL_TLS_… or temporal.toml name.',
    )
  return nobody(
    `No Temporal server answers at ${address}`,
    'Start it, or omit the address: puzzleflow then starts its own server.',
  )
}

/**
 * Connects a client to a server, within 3 seconds.
 *
 * @param address  `HOST:PORT`
 * @throws Failure NoServer if nothing answers or the server refuses; InvalidInput if settings cannot be read
 */
export async function connect(address: string): Promise<Client> {
  const { namespace, dataConverter } = accessTo(address)
  return new Client({ connection: await openConnection(address, 3000), namespace, dataConverter })
}
