import { ensureServer, undoStart, type ServerInfo } from '../server/index.js'
import { addressOf } from './address.js'
import type { Common } from './options.js'
import { log } from './output.js'

/** The server for a command: the one that the user names, or puzzleflow's, started if necessary. */
export const findServer = (options: Common): Promise<ServerInfo> => ensureServer({ address: addressOf(options), log })

/** Does work with a server. If the work fails, ends a server that was started for it alone. */
export async function withServer<T>(options: Common, work: (server: ServerInfo) => Promise<T>): Promise<T> {
  const server = await findServer(options)
  try {
    return await work(server)
  } catch (error) {
    await undoStart(server)
    throw error
  }
}
