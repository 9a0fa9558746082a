import { type Client, WorkflowNotFoundError } from '@temporalio/client'
import { Failure } from '../api/index.js'
import { connect, grpcErrorIn, isAway, look, pause, ServerAway } from '../server/index.js'
import type { Store } from '../store/index.js'
import type { SearchProgress, SearchResult } from '../workflows/types.js'
import { pendingTasks, type PendingTask } from './at-work.js'
import { log } from './output.js'
import { ProgressByEvents } from './progress-by-events.js'
import type { Sighting, Watcher } from './progress/sighting.js'
import { noteEnd, readRun, startAgain, type RunDocument } from './runs.js'
import { ensureWorker } from './workers.js'

/** Whom to tell about a run. */
export interface Audience {
  readonly watcher: Watcher
  /** Is told where the run stands, about once a second. */
  readonly onProgress?: ((progress: SearchProgress) => Promise<void>) | undefined
}

/**
 * Follows a run to its end, and keeps a worker running for it. Looks again for a server that went away.
 * @param findServer  its address, started if need be
 * @throws what made the run fail
 */
export async function follow(
  store: Store,
  run: string,
  address: string,
  findServer: () => Promise<string>,
  audience: Audience,
): Promise<RunDocument> {
  try {
    return await followFrom(store, run, address, findServer, audience)
  } finally {
    audience.watcher.end()
  }
}

async function followFrom(...[store, run, address, findServer, audience]: Parameters<typeof follow>) {
  for (let at = address, busySince = 0; ;) {
    const began = Date.now()
    try {
      return await followAt(await connect(at), store, run, at, audience)
    } catch (error) {
      if (!isAway(error)) throw error
      const { state, why } = await look(at)
      if (state === 'serves') {
        // It was slow, or the connection was lost: that is not a reason to look for another.
        if (Date.now() - began > patience || busySince === 0) busySince = Date.now()
        if (Date.now() - busySince > patience) throw error
        await pause(1000)
        continue
      }
      busySince = 0
      log(
        state === 'unknown'
          ? `The server cannot be reached (${why}): looking for it.`
          : 'The server no longer answers: looking for it.',
      )
      at = await patiently(findServer)
    }
  }
}

/** Milliseconds that the user's server may be away. */
const patience = 60_000

/** Waits for a server that somebody else has to start again. */
async function patiently(findServer: () => Promise<string>): Promise<string> {
  for (const end = Date.now() + patience; ; await pause(2000))
    try {
      return await findServer()
    } catch (error) {
      if (!(error instanceof Failure && error.kind === 'NoServer') || Date.now() > end) throw error
    }
}

/** Unanswered questions in a row after which a server counts as away rather than busy. */
const mostSilences = 3

/** Number of gRPC: DEADLINE_EXCEEDED. */
const tooLate = 4
/** Milliseconds of one question for the result. */
const questionTime = 5000

/** Milliseconds between two questions whether the run is over. */
const betweenQuestions = 1000

interface Followed {
  readonly client: Client
  readonly workflowId: string
  readonly isOver: () => boolean
  /** Is told how many events the run has had; undefined where the server did not say. */
  readonly onEvents: (count: number | undefined) => void
}

/**
 * What a run ends with. Asks for its status and not for its result while it runs: the server would answer that question
 * whenever anything happens to the run, ten times a second, and the SDK ask again at once. Each question ends soon, so that
 * none is left when the connection is closed: the SDK repeats it on a timer of its own, and would find a channel that is shut.
 */
async function resultOf({ client, workflowId, isOver, onEvents }: Followed) {
  const handle = client.workflow.getHandle(workflowId)
  while (!isOver())
    try {
      const ask = async () => {
        const { status, closeTime, historyLength } = await handle.describe()
        onEvents(historyLength)
        return status.name === 'RUNNING' ? undefined : { ...((await handle.result()) as SearchResult), closeTime }
      }
      const answer = await client.withDeadline(Date.now() + questionTime, ask)
      if (answer) return answer
      await pause(betweenQuestions)
    } catch (error) {
      if (grpcErrorIn(error)?.code !== tooLate) throw error
      onEvents(undefined)
    }
  throw new Error('Nobody waits for the result any longer')
}

/** Follows a run as long as its server answers. The connection is closed at the end. */
async function followAt(
  client: Client,
  store: Store,
  run: string,
  address: string,
  { watcher, onProgress }: Audience,
): Promise<RunDocument> {
  const document = await readRun(store, run)
  const { workflowId } = document
  const startedAt = Date.parse(document.startedAt)
  let over = false
  let tasks: readonly PendingTask[] = []
  const where = new ProgressByEvents(() => progressOf(client, workflowId))
  const see = (progress: Sighting['progress']) => watcher.see({ run, startedAt, progress, tasks })
  const watch = async () => {
    let silences = 0
    for (let beat = 0; !over; beat++) {
      if (beat % 5 === 0) await ensureWorker(store, address)
      const progress = await where.now()
      silences = progress || (await look(address)).state === 'serves' ? 0 : silences + 1
      // Calls that wait for it would be repeated for much longer.
      if (silences >= mostSilences) throw new ServerAway('NoServer', `No Temporal server answers at ${address}`)
      if (progress && !over) await onProgress?.(progress)
      if (beat % watcher.looksEvery === watcher.looksEvery - 1) tasks = await pendingTasks(client, workflowId)
      if (!over) see(progress)
      await pause(1000)
    }
  }
  const watching = watch()
  const result = resultOf({ client, workflowId, isOver: () => over, onEvents: (count) => where.onEvents(count) })
  try {
    // A worker that cannot be had, or a server that is away, ends the waiting too.
    const { closeTime, ...end } = await Promise.race([result, watching.then(() => never)])
    return await noteEnd(store, document, end, closeTime)
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new Failure('NoServer', `The server at ${address} does not know the run "${run}"`, {
        remedy: `Start it again: \`${startAgain(document)}\`. What is finished is reused.`,
      })
    throw error
  } finally {
    over = true
    await watching
      .then(async () => {
        // What the last second has changed.
        tasks = []
        see(await progressOf(client, workflowId))
      })
      .catch(() => undefined)
    void result.catch(() => undefined).finally(() => client.connection.close())
  }
}

const never = new Promise<never>(() => undefined)

/** Where a run stands; undefined when no worker answers. */
export async function progressOf(client: Client, workflowId: string): Promise<SearchProgress | undefined> {
  try {
    // Without a worker nobody answers: not for long.
    const query = () => client.workflow.getHandle(workflowId).query<SearchProgress>('progress')
    return await client.withDeadline(Date.now() + 3000, query)
  } catch (error) {
    // The answer is there, and cannot be decrypted.
    if (error instanceof Failure) throw error
    // No worker answers yet, or the workflow is just starting.
    return undefined
  }
}
