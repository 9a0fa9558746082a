import type { Connection } from '@temporalio/client'
import Long from 'long'
import { Failure } from '../api/index.js'
import { accessTo, openConnection, unusable } from './access.js'
import { grpcErrorIn, isAway } from './grpc-errors.js'
import { pause } from './processes.js'

/** Search attributes that every search has besides Temporal's, with their types. */
export const searchAttributes = {
  PuzzleModel: 'keyword',
  PuzzleSpec: 'keyword',
  PuzzleStage: 'keyword',
  PuzzleProgress: 'double',
  PuzzleStatus: 'keyword',
} as const

const attributes = Object.entries(searchAttributes)

/** Numbers of Temporal's IndexedValueType. */
const indexedValueType = { keyword: 2, double: 4 } as const

const tenYears = 10 * 365 * 86_400

/** Checks that a server answers and knows the namespace. @throws Failure NoServer that says what is wrong */
export async function reach(address: string, patience = 1500): Promise<void> {
  const connection = await openConnection(address, patience)
  const access = accessTo(address)
  try {
    await connection.workflowService.describeNamespace({ namespace: access.namespace })
  } catch (error) {
    throw unusable(access, error)
  } finally {
    await connection.close()
  }
}

/** Whether a server answers within 1500 ms and knows the namespace.
 *  @throws Failure InvalidInput if Temporal's settings or the key cannot be read */
export const answers = (address: string): Promise<boolean> =>
  reach(address).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Failure && error.kind === 'NoServer') return false
      throw error
    },
  )

/** Sets a long retention, if allowed, and adds the search attributes. @throws Failure NoServer if that is impossible */
export async function setUp(address: string): Promise<void> {
  const connection = await openConnection(address)
  const { namespace } = accessTo(address)
  const wanted = attributes.map(([name, type]) => `${name} (${type})`).join(', ')
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace })
    if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) < 30 * 86_400)
      await connection.workflowService
        .updateNamespace({
          namespace,
          config: { workflowExecutionRetentionTtl: { seconds: Long.fromNumber(tenYears) } },
        })
        .catch(() => undefined)
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
    const known = customAttributes ?? {}
    const wrong = attributes.filter(
      ([name, type]) => (known[name] ?? indexedValueType[type]) !== indexedValueType[type],
    )
    if (wrong.length > 0)
      throw new Failure(
        'NoServer',
        `The server at ${address} has search attributes of the wrong type: ${wrong.map(([name]) => name).join(', ')}`,
        { remedy: `Remove them from the namespace "${namespace}", and add: ${wanted}.` },
      )
    const missing = attributes.filter(([name]) => !(name in known))
    if (missing.length === 0) return
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, indexedValueType[type]])),
    })
    await untilKnown(connection, namespace)
  } catch (error) {
    if (error instanceof Failure) throw error
    if (isAway(error)) throw unusable(accessTo(address), error)
    throw new Failure('NoServer', `The server at ${address} lacks our search attributes: ${(error as Error).message}`, {
      remedy: `Add them to the namespace "${namespace}": ${wanted}.`,
      cause: error,
    })
  } finally {
    await connection.close()
  }
}

/** Milliseconds that a server may take to accept new search attributes. */
const patience = 60_000
/** Number of gRPC: INVALID_ARGUMENT. */
const invalidArgument = 3

/** Added search attributes reach the parts of a server within seconds; until then it refuses whatever has them. */
async function untilKnown(connection: Connection, namespace: string): Promise<void> {
  const conditions = attributes.map(([name, type]) => `${name} = ${type === 'double' ? 0 : "''"}`)
  const query = conditions.join(' OR ')
  for (const end = Date.now() + patience; ; await pause(200))
    try {
      await connection.workflowService.countWorkflowExecutions({ namespace, query })
      return
    } catch (error) {
      if (grpcErrorIn(error)?.code !== invalidArgument || Date.now() > end) throw error
    }
}
