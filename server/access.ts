import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig'
import { Failure } from '../plugins/api/index.js'
import { payloadConverter } from './codec.js'

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

/** On this machine and not what the settings name: our own server, say, which knows no TLS and one namespace. */
const isPlain = (address: string) => /^(127\.|localhost:|\[::1\])/.test(address) && configuredAddress() !== address

/** @param address  of a server; our own is reached plainly, others as environment and profile file say */
export function accessTo(address: string): Access {
  const dataConverter = payloadConverter()
  if (isPlain(address)) return { address, namespace: 'default', connection: { address }, dataConverter }
  const { namespace = 'default', connectionOptions } = toClientOptions(profile())
  const { tls, apiKey, metadata } = connectionOptions
  const connection = {
    address,
    ...(tls === undefined || tls === null ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
  }
  return { address, namespace, connection, dataConverter }
}

function profile(): ReturnType<typeof loadClientConfigProfile> {
  try {
    return loadClientConfigProfile()
  } catch (error) {
    throw new Failure('InvalidInput', `Temporal's settings cannot be read: ${(error as Error).message}`, {
      remedy: 'Mend the profile file, or the environment variables TEMPORAL_… that name it.',
      cause: error,
    })
  }
}

/** A connection, as settings say. @throws Failure NoServer */
export async function openConnection(address: string, connectTimeout = 10_000): Promise<Connection> {
  const { connection } = accessTo(address)
  try {
    return await Connection.connect({ ...connection, connectTimeout })
  } catch (error) {
    throw new Failure('NoServer', `No Temporal server answers at ${address}`, {
      remedy: 'Start it, or leave the address out.',
      cause: error,
    })
  }
}

/** A client of a server. @throws Failure NoServer */
export async function connect(address: string): Promise<Client> {
  const { namespace, dataConverter } = accessTo(address)
  return new Client({ connection: await openConnection(address, 3000), namespace, dataConverter })
}
