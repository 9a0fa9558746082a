import { Failure } from '../api/index.js'
import { writing } from '../model/index.js'
import type { Store } from '../store/index.js'
import { digestBytes } from '../store/digest.js'
import type { LiveData } from '../report/html/live.js'
import type { SearchProgress } from '../workflows/types.js'
import { exitCodes } from './exit-codes.js'
import { follow } from './follow.js'
import { latest } from './latest.js'
import { liveDataOf } from './live-data.js'
import { serveLive, type LiveServer } from './live-server.js'
import type { Common } from './options.js'
import { outcomeFolder } from './outcome.js'
import { log, printJson } from './output.js'
import { watcherFor } from './progress/watcher.js'
import { placePage, reportPageOf } from './report-page.js'
import { readRun } from './runs.js'
import { findServer } from './with-server.js'

/** Milliseconds between two looks into the store. */
const betweenLooks = 3000

/** Milliseconds that a browser has to fetch the last page. */
const lastLook = 5000

/**
 * Serves the page about a run that has not ended, until it has; then writes the last one to `runs/RUN`.
 * @param port  0: any that is free
 * @returns the path of the last page
 */
export async function watchReport(store: Store, run: string, port: number, options: Common): Promise<string> {
  const now = await latest(store, run, options)
  if (now.outputs) return finish(store, run)
  process.once('SIGINT', () => process.exit(exitCodes.Cancelled))
  const address = async () => (await findServer(options)).address
  const server = await serveLive(port)
  try {
    const update = updater(store, run, server)
    await update(undefined)
    log(`The page follows the run at ${server.url}`)
    if (options.json) printJson({ url: server.url })
    const watcher = watcherFor(store, run, options)
    await follow(store, run, await address(), address, { watcher, onProgress: update })
    const path = await finish(store, run, server)
    await server.seen(lastLook)
    return path
  } finally {
    await server.close()
  }
}

/** Makes the page anew whenever the run has come further. */
function updater(store: Store, run: string, server: LiveServer) {
  let before = ''
  let lookedAt = -Infinity
  return async (progress: SearchProgress | undefined): Promise<void> => {
    if (Date.now() - lookedAt < betweenLooks) return
    const data = await liveDataOf(store, await readRun(store, run), progress)
    lookedAt = Date.now()
    const version = versionOf(data)
    if (version === before) return
    before = version
    // What draws charts is loaded only here.
    server.show(version, (await import('../report/html/live.js')).livePage(data, version))
  }
}

/** Differs when there is something new: the time that is left changes without news. */
const versionOf = (data: LiveData): string =>
  digestBytes(
    JSON.stringify(data, (key, value: unknown) =>
      key === 'secondsLeft' ? undefined : key === 'fraction' ? Math.round(100 * Number(value)) : value,
    ),
  )

/** Writes the page about a run that has ended, and shows it. */
async function finish(store: Store, run: string, server?: LiveServer): Promise<string> {
  const page = await reportPageOf(store, await readRun(store, run))
  if (page === undefined)
    throw new Failure(
      'InvalidInput',
      `The run "${run}" is neither a search for a child nor a sweep: there is no page about it`,
    )
  server?.show('the last', page)
  return writing(outcomeFolder(run), () => placePage(run, page))
}
