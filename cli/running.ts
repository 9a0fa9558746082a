import { WorkflowNotFoundError } from '@temporalio/client'
import { connect, serverStatus } from '../server/index.js'
import type { Common } from './options.js'
import { log } from './output.js'
import { addressOf } from './address.js'
import type { RunDocument } from './runs.js'

/** Those of the runs that may be going on: not finished, and not known to have ended. Without a server nothing is known. */
export async function runningAmong(runs: readonly RunDocument[], options: Common): Promise<RunDocument[]> {
  const open = runs.filter(({ outputs }) => outputs === undefined)
  if (open.length === 0) return []
  const address = addressOf(options) ?? (await serverStatus())?.address
  const client = address === undefined ? undefined : await connect(address).catch(() => undefined)
  if (!client) {
    log('No Temporal server answers: runs without a result count as in progress.')
    return open
  }
  try {
    const running = []
    for (const run of open) {
      try {
        const { status } = await client.workflow.getHandle(run.workflowId).describe()
        if (status.name === 'RUNNING') running.push(run)
      } catch (error) {
        // Another server may know it, unless this one was asked for.
        if (!(error instanceof WorkflowNotFoundError)) throw error
        if (options.address === undefined) running.push(run)
      }
    }
    return running
  } finally {
    await client.connection.close()
  }
}
