import { WorkflowNotFoundError, type Client } from '@temporalio/client'
import { Failure } from '../api/index.js'
import { connect, serverStatus } from '../server/index.js'
import type { Store } from '../store/index.js'
import type { SearchResult } from '../workflows/types.js'
import { addressOf } from './address.js'
import type { Common } from './options.js'
import { explain } from './explain.js'
import { noteEnd, readRun, type RunDocument } from './runs.js'

/** A run with the outputs of its latest attempt, if that has ended. A server is asked only of one whose end no command has seen.
 *  @throws Failure of the kind that the latest attempt failed with */
export async function latest(store: Store, run: string, options: Common): Promise<RunDocument> {
  const document = await readRun(store, run)
  if (document.outputs) return document
  const address = addressOf(options) ?? (await serverStatus())?.address
  const client = address === undefined ? undefined : await connect(address).catch(() => undefined)
  try {
    return (client && (await ended(client, store, document))) ?? document
  } finally {
    await client?.connection.close()
  }
}

async function ended(client: Client, store: Store, document: RunDocument): Promise<RunDocument | undefined> {
  const handle = client.workflow.getHandle(document.workflowId)
  const { status, closeTime } = await handle.describe().catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) return { status: { name: 'UNKNOWN' as const }, closeTime: undefined }
    throw error
  })
  if (status.name === 'RUNNING' || status.name === 'UNKNOWN') return undefined
  try {
    return await noteEnd(store, document, (await handle.result()) as SearchResult, closeTime)
  } catch (error) {
    const { kind, message, remedy } = explain(error).json
    if (kind === 'Defect') throw error
    throw new Failure(
      kind === 'Cancelled' ? 'InvalidInput' : kind,
      kind === 'Cancelled'
        ? `The latest attempt of the run "${document.run}" was cancelled: it has no result`
        : `The latest attempt of the run "${document.run}" failed: ${message}`,
      { remedy: remedy ?? 'Start it again with the same command: what is finished is kept.', cause: error },
    )
  }
}
