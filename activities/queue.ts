import type { Client } from '@temporalio/client'
import type { Store } from '../store/index.js'
import { buildId } from './build-id.js'

/**
 * Task queue of a store and a version of the code: checkouts may share a server.
 * @param name  of stages with a `queue` of their own; default: of all else
 */
export const queueOf = (store: Store, name?: string): string =>
  `puzzleflow-${store.id}-${buildId()}${name === undefined ? '' : `/${name}`}`

/** How many searches on a queue run, or ran a moment ago: the server's list lags. */
export async function searchesOn(queue: string, { workflow }: Client): Promise<number> {
  return (await workflow.count(`TaskQueue = '${queue}' AND ExecutionStatus = 'Running'`)).count
}
