import { codeMarkdown, summaryMarkdown } from '../errors/markdown.js'
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client'
import { defineSearchAttributeKey } from '@temporalio/common'
import { basename } from 'node:path'
import { queueOf } from '../activities/queue.js'
import { Failure, type Outcome } from '../api/index.js'
import { planDocument } from '../lineage/plan-document.js'
import { sealed } from '../server/index.js'
import { nearest } from '../spec/diagnostics.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { ArtifactRef, Store } from '../store/index.js'
import type { SearchInput, SearchResult } from '../workflows/types.js'
import { checkRunName, isRunName } from './run-name.js'
import { typed } from './typed.js'

/** What the store keeps of a run. */
export interface RunDocument {
  readonly run: string
  readonly name: string
  readonly specFile: string
  readonly specDigest: string
  readonly plan: ArtifactRef
  readonly workflowId: string
  readonly startedAt: string
  /** Words of the command that starts it, without its name. Default: `run` and the spec. */
  readonly command?: readonly string[]
  /** Outputs of stages that are needed but not in the plan. */
  readonly given?: Readonly<Record<string, ArtifactRef>>
  /** Seconds that each stage was expected to take, with nothing done before; absent where this machine was not measured. */
  readonly expected?: Readonly<Record<string, number>>
  /** When it was done, if a command has seen so. */
  readonly finishedAt?: string
  /** Outputs of all stages, when it is done. */
  readonly outputs?: Readonly<Record<string, ArtifactRef>>
  /** What a stage said about all of it, when it is done. */
  readonly outcome?: Outcome
}

const modelKey = defineSearchAttributeKey('PuzzleModel', 'KEYWORD')
const specKey = defineSearchAttributeKey('PuzzleSpec', 'KEYWORD')

/** The command that starts a run again, as this user can type it. */
export const startAgain = ({ run, specFile, command = ['run', specFile] }: RunDocument): string =>
  typed(...command, '--run', run)

export const workflowIdOf = (store: Store, run: string): string => `puzzleflow-${store.id}/${run}`

/** All runs that the store knows, by name. */
export async function readRuns(store: Store): Promise<RunDocument[]> {
  const found = await Promise.all((await runNames(store)).map((run) => tryRun(store, run)))
  return found.filter((run) => run !== undefined)
}

const runNames = async (store: Store) =>
  (await store.listDocuments('runs'))
    .map((name) => basename(name))
    .filter(isRunName)
    .sort()

/** A run's document. One that is damaged, or not to be trusted, counts as absent. */
async function tryRun(store: Store, run: string): Promise<RunDocument | undefined> {
  const found = await store.getDocument(`runs/${run}`)
  // What the store says of itself leads nowhere else.
  return isRunDocument(found) ? { ...found, run } : undefined
}

/** Whether a document has what commands rely on. Anybody may have written it who can write to the store. */
function isRunDocument(found: unknown): found is RunDocument {
  const fields = (found ?? {}) as Partial<Record<string, unknown>>
  const { plan, workflowId, startedAt, given = {}, expected = {}, outputs = {} } = fields
  const isMap = (value: unknown) => typeof value === 'object' && value !== null
  return (
    [plan, given, expected, outputs].every(isMap) &&
    Object.values(expected as object).every((seconds) => typeof seconds === 'number' && seconds >= 0) &&
    typeof workflowId === 'string' &&
    typeof startedAt === 'string'
  )
}

export async function readRun(store: Store, run: string): Promise<RunDocument> {
  checkRunName(run)
  const found = await tryRun(store, run)
  if (found) return found
  const known = await runNames(store)
  if (known.includes(run))
    throw new Failure('InvalidInput', `What the store ${store.location} says of the run "${run}" is damaged`, {
      remedy: 'Start it again with the command that started it: finished work is kept.',
    })
  const meant = nearest(run, known)
  throw new Failure('InvalidInput', `There is no run "${run}" in the store ${store.location}`, {
    remedy:
      meant !== undefined
        ? `Did you mean "${meant}"? \`${typed('list')}\` lists all runs.`
        : known.length > 0
          ? `Known: ${known.join(', ')}.`
          : `Start one with \`${typed('run', 'SPEC')}\`.`,
  })
}

/** Notes in the store how a run has ended. */
export async function noteEnd(
  store: Store,
  document: RunDocument,
  { outputs, outcome }: SearchResult,
  ended: Date | undefined,
): Promise<RunDocument> {
  const finishedAt = ended?.toISOString()
  const finished = {
    ...document,
    outputs,
    ...(outcome && { outcome }),
    ...(finishedAt !== undefined && { finishedAt }),
  }
  await store.putDocument(`runs/${document.run}`, finished)
  return finished
}

/** Whether a worker asked a queue for tasks within the last minute. */
async function isServed({ connection, options: { namespace } }: Client, taskQueue: string): Promise<boolean> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: 1, // of workflows
  })
  return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 > Date.now() - 60_000)
}

/** Characters that name the stages of a run for the UI: the server takes 20,000. */
const mostNamed = 2000

function stagesIn({ stages }: SearchInput): string {
  const names = stages.map(({ name }) => name).join(', ')
  return names.length > mostNamed ? `${stages.length} stages.` : `Stages: ${names}.`
}

export interface StartOptions {
  /** Seconds without a sign of life after which a task's attempt is taken for lost. */
  readonly heartbeat?: number | undefined
  /** Most tasks of a stage in flight at the same time. */
  readonly concurrency?: number | undefined
  /** Outputs of stages that are needed but not in the plan. */
  readonly given?: Readonly<Record<string, ArtifactRef>>
  /** Seconds that each stage is expected to take. */
  readonly expected?: Readonly<Record<string, number>> | undefined
  /** Words of the command that starts it, without its name. */
  readonly command?: readonly string[] | undefined
}

/** Starts a run, or finds it where it stands. @returns whether it was started now
 *  @throws Failure InvalidInput when the run runs another plan */
export async function startRun(
  client: Client,
  store: Store,
  run: string,
  plan: FrozenPlan,
  { heartbeat, concurrency, given = {}, expected, command }: StartOptions = {},
): Promise<boolean> {
  const workflowId = workflowIdOf(store, run)
  const ref = await store.putJson('plan', plan)
  if (store.signing) await store.putDocument(planDocument(ref.digest), { run, specDigest: plan.digest })
  const model = typeof plan.inputs.model === 'string' ? basename(plan.inputs.model) : plan.name
  const input: SearchInput = {
    run,
    name: plan.name,
    specDigest: plan.digest,
    model,
    plan: ref,
    stages: plan.stages.map(({ uses: _, version: __, params: ___, plugin: ____, ...node }) => ({
      ...node,
      run,
      ...(heartbeat === undefined ? {} : { heartbeat }),
    })),
    given,
    ...(concurrency === undefined ? {} : { concurrency }),
  }
  const document: RunDocument = {
    run,
    name: plan.name,
    specFile: plan.specFile,
    specDigest: plan.digest,
    plan: ref,
    workflowId,
    startedAt: new Date().toISOString(),
    ...(Object.keys(given).length === 0 ? {} : { given }),
    ...(expected && { expected }),
    ...(command && { command }),
  }
  let started = true
  const begin = () =>
    client.workflow.start('search', {
      workflowId,
      taskQueue: queueOf(store),
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${plan.name}: ${summaryMarkdown(model)}`,
      staticDetails: `Run \`${run}\` of ${codeMarkdown(basename(plan.specFile))}, digest \`${plan.digest.slice(0, 12)}\`. ${stagesIn(input)}`,
      typedSearchAttributes: [
        { key: modelKey, value: sealed(model) },
        { key: specKey, value: sealed(plan.digest) },
      ],
    })
  try {
    await begin()
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    const handle = client.workflow.getHandle(workflowId)
    const running = await handle.describe()
    if (running.typedSearchAttributes.get(specKey) !== sealed(plan.digest))
      throw new Failure('InvalidInput', `The run "${run}" is still running another spec`, {
        remedy: `Wait for it, cancel it (\`${typed('cancel', run)}\`), or give this run another name: --run ID.`,
      })
    started = running.taskQueue !== queueOf(store) && !(await isServed(client, running.taskQueue))
    if (started) {
      // Another version began it and none of its workers is left: what they finished is in the store.
      await handle.terminate('continues with another version of puzzleflow')
      await begin()
    }
  }
  // The command that started it may have been killed before it could note so.
  const noted = await tryRun(store, run)
  if (started || noted?.specDigest !== plan.digest) await store.putDocument(`runs/${run}`, document)
  return started
}
