import type { Connection } from '@temporalio/client'
import Long from 'long'
import { Failure } from '../plugins/api/index.js'
import { accessTo, openConnection } from './access.js'

/** Search attributes of every search, beside those of Temporal. */
export const searchAttributes = {
  PuzzleModel: 'keyword',
  PuzzleSpec: 'keyword',
  PuzzleStage: 'keyword',
  PuzzleProgress: 'double',
  PuzzleStatus: 'keyword',
} as const

/** Numbers of Temporal's IndexedValueType. */
const indexedValueType = { keyword: 2, double: 4 } as const

const tenYears = 10 * 365 * 86_400

/** Whether a server answers, and knows our namespace. */
export async function answers(address: string): Promise<boolean> {
  let connection: Connection | undefined
  try {
    connection = await openConnection(address, 1500)
    await connection.workflowService.describeNamespace({ namespace: accessTo(address).namespace })
    return true
  } catch {
    return false
  } finally {
    await connection?.close()
  }
}

/** Long retention, where it may be set, and our search attributes. @throws Failure NoServer when they cannot be had */
export async function setUp(address: string): Promise<void> {
  const connection = await openConnection(address)
  const { namespace } = accessTo(address)
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
    const missing = Object.entries(searchAttributes).filter(([name]) => !(name in (customAttributes ?? {})))
    if (missing.length > 0)
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, indexedValueType[type]])),
      })
  } catch (error) {
    const wanted = Object.entries(searchAttributes).map(([name, type]) => `${name} (${type})`)
    throw new Failure('NoServer', `The server at ${address} lacks our search attributes: ${(error as Error).message}`, {
      remedy: `Add them to the namespace "${namespace}": ${wanted.join(', ')}.`,
      cause: error,
    })
  } finally {
    await connection.close()
  }
}
