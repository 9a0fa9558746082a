import type { Client } from '@temporalio/client'
import type { Outcome } from '../api/index.js'
import { connect, serverStatus } from '../server/index.js'
import type { Store } from '../store/index.js'
import type { SearchProgress, SearchResult } from '../workflows/types.js'
import { addressOf } from './address.js'
import { explain } from './explain.js'
import { progressOf } from './follow.js'
import { readStore } from './open-store.js'
import type { Common } from './options.js'
import { resultOf } from './outcome.js'
import { readRun, readRuns, type RunDocument } from './runs.js'

/** Where a run stands. */
export interface RunState {
  readonly run: string
  readonly name: string
  /** Temporal's word; UNKNOWN without a server, or where it has forgotten the run. */
  readonly state: string
  readonly startedAt: string
  /** When it ended, if it has and that is known. */
  readonly finishedAt?: string | undefined
  readonly specDigest: string
  readonly progress?: SearchProgress | undefined
  /** What came of one that is done, if a stage has said so. */
  readonly outcome?: Outcome | undefined
  /** `accepted`, or why not, of a search that is done. */
  readonly verdict?: string | undefined
  /** Child to parent, measured, of a search that is done. */
  readonly ratios?: { readonly throughput?: number; readonly accuracy?: number } | undefined
  /** Why it failed, and what to do. */
  readonly failure?: string | undefined
}

/** The states of a run, or of all of them by name. */
export async function statesOf(run: string | undefined, options: Common): Promise<RunState[]> {
  const store = await readStore(options)
  const runs = run === undefined ? await readRuns(store) : [await readRun(store, run)]
  const address = addressOf(options) ?? (await serverStatus())?.address
  const client = address === undefined ? undefined : await connect(address)
  try {
    return await Promise.all(runs.map((own) => stateOf(client, store, own)))
  } finally {
    await client?.connection.close()
  }
}

async function stateOf(client: Client | undefined, store: Store, document: RunDocument): Promise<RunState> {
  const { run, name, workflowId, startedAt, specDigest, outputs, ...noted } = document
  const handle = client?.workflow.getHandle(workflowId)
  const described = outputs ? undefined : await handle?.describe().catch(() => undefined)
  const state = outputs ? 'COMPLETED' : (described?.status.name ?? 'UNKNOWN')
  const progress = client && state === 'RUNNING' ? await progressOf(client, workflowId) : undefined
  const failed = state === 'FAILED' || state === 'TERMINATED' || state === 'TIMED_OUT'
  const failure = failed
    ? await handle!.result().then(
        () => undefined,
        (error: unknown) => explain(error).text,
      )
    : undefined
  // One whose end no command has seen is not noted.
  const unseen = state === 'COMPLETED' && !outputs ? ((await handle!.result()) as SearchResult) : undefined
  const outcome = noted.outcome ?? unseen?.outcome
  const ended = outputs ?? unseen?.outputs
  const figures = ended && (await figuresOf(store, { ...document, outputs: ended }))
  const finishedAt = noted.finishedAt ?? described?.closeTime?.toISOString()
  return { run, name, state, startedAt, finishedAt, specDigest, progress, outcome, ...figures, failure }
}

/** What a list shows of a result. None where the store has lost it. */
async function figuresOf(store: Store, document: RunDocument): Promise<Pick<RunState, 'verdict' | 'ratios'>> {
  const result = await resultOf(store, document).catch(() => undefined)
  const { verdict, ratios } = (result ?? {}) as Partial<RunState>
  return {
    ...(typeof verdict === 'string' && { verdict }),
    ...(ratios && { ratios: { ...number('throughput', ratios.throughput), ...number('accuracy', ratios.accuracy) } }),
  }
}

const number = <Name extends string>(name: Name, value: unknown) =>
  (typeof value === 'number' ? { [name]: value } : {}) as { readonly [_ in Name]?: number }
