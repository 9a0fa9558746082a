import { serverStatus } from '../server/index.js'
import { addressOf } from './address.js'
import type { Common } from './options.js'

const workflows = (uiAddress: string): string => `${uiAddress}/namespaces/default/workflows`

/** The page of a run in the Temporal UI. */
export const pageOfRun = (uiAddress: string, workflowId: string): string =>
  `${workflows(uiAddress)}/${encodeURIComponent(workflowId)}`

/** The page that lists all runs of a server. Groups and pages of tasks are workflows, too, and far more of them: it leaves them out. */
export const pageOfRuns = (uiAddress: string): string =>
  `${workflows(uiAddress)}?query=${encodeURIComponent('WorkflowType="search"')}`

/** Address of the Temporal UI, if the server of these options is puzzleflow's and runs: of others it is not known. */
export async function uiAddressHere(options: Common): Promise<string | undefined> {
  const server = await serverStatus()
  return server?.address === (addressOf(options) ?? server?.address) ? server?.uiAddress : undefined
}
