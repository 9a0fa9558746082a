import { Client, Connection, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client'
import { defineSearchAttributeKey } from '@temporalio/common'
import { spawn } from 'node:child_process'
import { mkdirSync, openSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check, lock } from 'proper-lockfile'
import { queueOf } from '../activities/worker.js'
import { Failure } from '../plugins/api/index.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { ArtifactRef, Store } from '../store/index.js'
import type { SearchInput, SearchProgress, SearchResult } from '../workflows/types.js'
import { log } from './common.js'

/** What the store keeps of a run. */
export interface RunDocument {
  readonly run: string
  readonly name: string
  readonly specFile: string
  readonly specDigest: string
  readonly plan: ArtifactRef
  readonly workflowId: string
  readonly startedAt: string
  /** Outputs of all stages, when it is done. */
  readonly outputs?: Readonly<Record<string, ArtifactRef>>
}

export const workflowIdOf = (store: Store, run: string): string => `puzzleflow-${store.id}/${run}`

export async function readRun(store: Store, run: string): Promise<RunDocument> {
  if (!/^[\w.-]+$/.test(run)) throw new Failure('InvalidInput', `"${run}" is no name of a run`)
  const found = (await store.getDocument(`runs/${run}`)) as RunDocument | undefined
  if (found) return found
  const known = (await store.listDocuments('runs')).map((name) => basename(name))
  throw new Failure('InvalidInput', `There is no run "${run}" in the store ${store.location}`, {
    remedy: known.length > 0 ? `Known: ${known.join(', ')}.` : 'Start one with `puzzleflow run SPEC`.',
  })
}

export async function connect(address: string): Promise<Client> {
  return new Client({ connection: await Connection.connect({ address }) })
}

/** Starts a run, or finds it where it stands. @returns whether it was started now */
export async function startRun(client: Client, store: Store, run: string, plan: FrozenPlan): Promise<boolean> {
  const workflowId = workflowIdOf(store, run)
  const before = (await store.getDocument(`runs/${run}`)) as RunDocument | undefined
  const ref = await store.putJson('plan', plan)
  const model = typeof plan.inputs.model === 'string' ? basename(plan.inputs.model) : plan.name
  const input: SearchInput = {
    run,
    name: plan.name,
    specDigest: plan.digest,
    model,
    plan: ref,
    stages: plan.stages.map(({ name, needs, exclusive, retry, timeout }) => ({
      name,
      needs,
      ...(exclusive === undefined ? {} : { exclusive }),
      ...(retry === undefined ? {} : { retry }),
      ...(timeout === undefined ? {} : { timeout }),
    })),
  }
  const keyword = (name: string) => defineSearchAttributeKey(name, 'KEYWORD')
  try {
    await client.workflow.start('search', {
      workflowId,
      taskQueue: queueOf(store),
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${plan.name}: ${model}`,
      staticDetails: `Run \`${run}\` of \`${basename(plan.specFile)}\`, digest \`${plan.digest.slice(0, 12)}\`. Stages: ${input.stages.map((s) => s.name).join(', ')}.`,
      typedSearchAttributes: [
        { key: keyword('PuzzleModel'), value: model },
        { key: keyword('PuzzleSpec'), value: plan.digest },
      ],
    })
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    if (before?.specDigest === plan.digest) return false
    throw new Failure('InvalidInput', `The run "${run}" still runs another spec`, {
      remedy: `Wait for it, cancel it (puzzleflow cancel ${run}), or give this run another name: --run ID.`,
    })
  }
  const document: RunDocument = {
    run,
    name: plan.name,
    specFile: plan.specFile,
    specDigest: plan.digest,
    plan: ref,
    workflowId,
    startedAt: new Date().toISOString(),
  }
  await store.putDocument(`runs/${run}`, document)
  return true
}

const workerLock = (store: Store) => ({
  realpath: false,
  lockfilePath: join(store.root, 'worker.lock'),
  stale: 10_000,
})

/** Holds the place of the store's worker. @returns undefined when another process does */
export async function claimWorker(store: Store): Promise<(() => Promise<void>) | undefined> {
  mkdirSync(store.root, { recursive: true })
  try {
    return await lock(store.root, { ...workerLock(store), update: 2000 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined
    throw error
  }
}

/** Starts a detached worker unless one serves the store. */
export async function ensureWorker(store: Store, address: string): Promise<void> {
  if (await check(store.root, workerLock(store)).catch(() => false)) return
  const logs = join(store.root, 'logs')
  mkdirSync(logs, { recursive: true })
  const output = openSync(join(logs, 'worker.log'), 'a')
  const program = fileURLToPath(new URL('./main.js', import.meta.url))
  const child = spawn(
    process.execPath,
    [program, 'worker', '--store', store.location, '--address', address, '--idle', '60'],
    {
      detached: true,
      stdio: ['ignore', output, output],
    },
  )
  child.unref()
}

export async function progressOf(client: Client, workflowId: string): Promise<SearchProgress | undefined> {
  try {
    // Without a worker nobody answers: not for long.
    const query = () => client.workflow.getHandle(workflowId).query<SearchProgress>('progress')
    return await client.withDeadline(Date.now() + 3000, query)
  } catch {
    // No worker answers yet, or the workflow is just starting.
    return undefined
  }
}

/** Follows a run to its end, with a worker as long as it lasts. @throws what made it fail */
export async function follow(client: Client, store: Store, run: string, address: string): Promise<RunDocument> {
  const document = await readRun(store, run)
  const handle = client.workflow.getHandle(document.workflowId)
  let over = false
  const watch = async () => {
    let shown = ''
    for (let beat = 0; !over; beat++) {
      if (beat % 5 === 0) await ensureWorker(store, address)
      const progress = await progressOf(client, document.workflowId)
      const text = progress ? describe(progress) : ''
      if (text !== '' && text !== shown && !over) log(text)
      if (text !== '') shown = text
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }
  const watching = watch()
  try {
    const { outputs } = (await handle.result()) as SearchResult
    const finished = { ...document, outputs }
    await store.putDocument(`runs/${run}`, finished)
    return finished
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new Failure('NoServer', `The server at ${address} does not know the run "${run}"`, {
        remedy: 'Start it again with `puzzleflow run`: what is finished is reused.',
      })
    throw error
  } finally {
    over = true
    await watching
  }
}

const describe = ({ stages, fraction }: SearchProgress): string => {
  const running = stages
    .filter(({ state }) => state === 'running')
    .map((s) => (s.total > 1 ? `${s.stage} ${s.done}/${s.total}` : s.stage))
  const done = stages.filter(({ state }) => state === 'done').length
  return `[${String(Math.round(fraction * 100)).padStart(3)} %] ${done} of ${stages.length} stages done${running.length ? `; running: ${running.join(', ')}` : ''}`
}
