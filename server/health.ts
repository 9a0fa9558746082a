import { Connection } from '@temporalio/client'
import { connect } from 'node:net'
import { accessTo } from './access.js'
import { isBad, parseAddress } from './address.js'
import { grpcErrorIn, isAway } from './grpc-errors.js'
import { proxyOf } from './proxy.js'

/** State of a server. */
export interface Health {
  /** `serves`: it answers, even with an error. `closed`: nothing listens. `silent`: something listens but does not answer.
   *  `unknown`: it cannot be reached from here. */
  readonly state: 'serves' | 'closed' | 'silent' | 'unknown'
  /** The system's error code, if the state is `unknown`. */
  readonly why?: string
}

/**
 * Asks a server a question that every server answers, whatever the rights and namespace.
 *
 * @param address  `HOST:PORT`
 * @param patience  milliseconds to wait for an answer. @default 1500
 * @throws Failure InvalidInput if Temporal's settings or the key cannot be read
 */
export async function look(address: string, patience = 1500): Promise<Health> {
  if (!proxyOf(address)) {
    const found = await knock(address, patience)
    if (found.state !== 'serves') return found
  }
  const connection = Connection.lazy(accessTo(address).connection)
  try {
    await connection.withDeadline(Date.now() + patience, () => connection.healthService.check({}))
    return { state: 'serves' }
  } catch (error) {
    if (grpcErrorIn(error) && !isAway(error)) return { state: 'serves' }
    return { state: 'silent' }
  } finally {
    await connection.close()
  }
}

/** Looks whether something listens at an address (`serves`), without asking it anything. */
export function knock(address: string, patience: number): Promise<Health> {
  const place = parseAddress(address)
  if (isBad(place)) return Promise.resolve({ state: 'unknown', why: place.problem })
  return new Promise((resolve) => {
    const socket = connect(place)
    const is = (health: Health) => {
      socket.destroy()
      resolve(health)
    }
    socket.setTimeout(patience, () => is({ state: 'silent' }))
    socket.once('connect', () => is({ state: 'serves' }))
    socket.once('error', ({ code = 'error' }: NodeJS.ErrnoException) =>
      is(code === 'ECONNREFUSED' ? { state: 'closed' } : { state: 'unknown', why: code }),
    )
  })
}
