/**
 * The commands as functions, for programs: check, plan and start a search, and follow it to its end.
 *
 * Settings files, environment variables and defaults are those of the command line (docs/operations.md). Progress of servers and
 * workers goes to stderr. Mistakes of a spec are a `BadSpec` with all diagnostics; everything else that a user can fix is a
 * `Failure` with a kind and a remedy. docs/from-code.md has an example.
 */
import './tensor/telemetry.js'
import { Failure, type JsonObject, type Outcome } from './api/index.js'
import { registryFor } from './cli/compiled-spec.js'
import type { Common } from './cli/options.js'
import { BadSpec } from './cli/explain.js'
import { follow as followRun, progressOf } from './cli/follow.js'
import { openStore, readStore } from './cli/open-store.js'
import { resultOf, writeOutcome } from './cli/outcome.js'
import { workflowIdOf } from './cli/runs.js'
import { Cancelled, throwPlain } from './cli/plain-error.js'
import { Beat } from './cli/progress/beat.js'
import { startSearch } from './cli/start-search.js'
import { type Selection } from './cli/selection.js'
import { findServer } from './cli/with-server.js'
import { forecast, type StageForecast } from './lineage/forecast.js'
import { dataNotes } from './plugins/inspect/data-notes.js'
import { describedTypes } from './plugins/loading/load.js'
import { connect } from './server/index.js'
import type { Diagnostic } from './spec/diagnostics.js'
import type { FrozenPlan } from './spec/frozen-plan.js'
import { compileSpec } from './spec/plan.js'
import type { SearchProgress } from './workflows/types.js'

export { BadSpec, Cancelled, Failure }
export { solve } from './solver/index.js'
export type { FailureKind } from './errors/failure.js'
export type { Limit, Option, Problem, SolveOptions, SolveResult } from './solver/index.js'
export type { Diagnostic, FrozenPlan, JsonObject, Outcome, SearchProgress, StageForecast }

/** Options of all functions that read a spec. */
export interface SpecOptions {
  /** Packages, or folders relative to the current one, whose code may run. @default those that settings files allow */
  readonly allowPlugins?: readonly string[]
}

/** Where artifacts and records are kept. */
export interface StoreOptions {
  /** A folder or `s3://bucket/prefix`. @default PUZZLEFLOW_STORE, settings files, or a folder in the user's state directory */
  readonly store?: string
}

/** Options of `run`. */
export interface RunOptions extends SpecOptions, StoreOptions {
  /** Name of the run. @default the spec's name */
  readonly run?: string
  /** `HOST:PORT` of a Temporal server. @default TEMPORAL_ADDRESS, settings files, or a server that puzzleflow starts */
  readonly address?: string
  /** This stage and those after it; what it needs must be in the store. @default all stages */
  readonly from?: string
  /** This stage and those that it needs. @default all stages */
  readonly until?: string
  /** This stage alone; what it needs must be in the store. @default all stages */
  readonly only?: string
  /** Tasks of a stage in flight at once. @default 32 */
  readonly concurrency?: number
  /** Seconds without a sign of life after which a task's attempt counts as dead. @default 20 */
  readonly heartbeat?: number
}

/** What `plan` finds. */
export interface PlannedSearch {
  /** The spec, checked and independent of all other files. */
  readonly plan: FrozenPlan
  /** What a run would do with each stage, and why. */
  readonly stages: readonly StageForecast[]
  /** How the data will be used: padding, records that are left out. */
  readonly notes: readonly string[]
  /** Findings that do not prevent a run. */
  readonly warnings: readonly Diagnostic[]
}

/** A run that continues by itself. It is JSON, so another process can follow it. */
export interface StartedRun {
  /** Name of the run. */
  readonly run: string
  /** Digest of the plan that it runs. */
  readonly specDigest: string
  /** False if it was running already. */
  readonly started: boolean
  /** Location of its store. */
  readonly store: string
  /** The address of a Temporal server, if `run` was given one. */
  readonly address?: string
  /** Its page in the Temporal UI, if the server has one. */
  readonly ui?: string
}

/** What came of a run. */
export interface FinishedRun {
  /** Name of the run. */
  readonly run: string
  /** What `puzzleflow result --json` prints: parent and child side by side, or the values of all stages. */
  readonly result: JsonObject
  /** Whether the search found what it was looking for. Absent if no stage says so. */
  readonly outcome?: Outcome
  /** `runs/RUN` in the current folder: result.json, the report, the child. */
  readonly folder: string
}

/**
 * Checks a spec and all that it names, and runs nothing.
 *
 * @param specFile  path of the spec; relative paths in it start from its folder
 * @returns all mistakes in the order of the text; if there are none, warnings, which have a `severity`
 * @throws Failure if a plugin cannot be described
 * @example
 * ```ts
 * for (const { file, line, column, message } of await validate('search.yaml'))
 *   console.log(`${file}:${line}:${column} ${message}`)
 * ```
 */
export async function validate(specFile: string, options: SpecOptions = {}): Promise<readonly Diagnostic[]> {
  return (await compileSpec(specFile, registryOf(options))).diagnostics
}

/**
 * Freezes a spec into a plan and looks up what the store has of it. Writes nothing.
 *
 * @param specFile  path of the spec
 * @throws BadSpec with all mistakes
 * @throws Failure if the store cannot be read
 * @example
 * ```ts
 * const { stages } = await plan('search.yaml')
 * for (const { stage, tasks, reused } of stages) console.log(stage, tasks, reused)
 * ```
 */
export async function plan(specFile: string, options: SpecOptions & StoreOptions = {}): Promise<PlannedSearch> {
  const { plan, listings, warnings } = await frozen(specFile, options)
  const store = await readStore(common(options), false)
  const stages = await forecast(plan, store, await describedTypes(plan), listings)
  return { plan, stages, notes: await dataNotes(plan), warnings }
}

/**
 * Starts or resumes a run. Server and worker are started if need be; the run goes on when this process ends.
 *
 * @param specFile  path of the spec
 * @throws BadSpec with all mistakes
 * @throws Failure if the run cannot start; nothing has been started then
 * @example
 * ```ts
 * const { run: name, ui } = await run('search.yaml', { until: 'profile' })
 * console.log(name, ui)
 * ```
 */
export async function run(specFile: string, options: RunOptions = {}): Promise<StartedRun> {
  const search = await startSearch(
    await frozen(specFile, options),
    { ...options, ...common(options) },
    selectionOf(options),
  ).catch(throwPlain)
  const { name, plan, store, started, link } = search
  return {
    run: name,
    specDigest: plan.digest,
    started,
    store: store.location,
    ...(options.address !== undefined && { address: options.address }),
    ...(link !== undefined && { ui: link }),
  }
}

/**
 * Follows a run to its end and writes what came of it to `runs/RUN` in the current folder. A server or worker that is gone is
 * replaced.
 *
 * @param started     a run, from `run`; its name, store and address are enough
 * @param onProgress  called about once a second while a worker answers. @default none
 * @throws Failure that made the run fail, with the kind that the command's exit code stands for
 * @throws Cancelled if somebody cancelled the run
 * @example
 * ```ts
 * const started = await run('search.yaml')
 * const { result, folder } = await follow(started, ({ fraction }) => console.log(`${Math.round(100 * fraction)} %`))
 * ```
 */
export async function follow(
  started: Pick<StartedRun, 'run' | 'store' | 'address'>,
  onProgress?: (progress: SearchProgress) => void,
): Promise<FinishedRun> {
  const places = common(started)
  const store = await openStore(places)
  let { address } = await findServer(places)
  const find = async () => ({ address } = await findServer(places)).address
  const ended = followRun(store, started.run, address, find, { watcher: new Beat() }).catch(throwPlain)
  const telling = onProgress && tell(workflowIdOf(store, started.run), () => address, ended, onProgress)
  const [document] = await Promise.all([ended, telling])
  const { folder } = await writeOutcome(store, document).catch(throwPlain)
  const { outcome } = document
  return { run: document.run, result: await resultOf(store, document), ...(outcome && { outcome }), folder }
}

/** Tells where a run stands, again and again until it has ended; nothing more once it has failed. */
async function tell(
  workflowId: string,
  address: () => string,
  ended: Promise<unknown>,
  onProgress: (progress: SearchProgress) => void,
): Promise<void> {
  let [over, failed] = [false, false]
  const end = ended.then(
    () => void (over = true),
    () => void (over = failed = true),
  )
  while (!over) {
    // The server may have been replaced since.
    const client = await connect(address()).catch(() => undefined)
    const progress = client && (await progressOf(client, workflowId).catch(() => undefined))
    await client?.connection.close()
    if (progress && !failed) onProgress(progress)
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 1000))])
  }
}

const registryOf = ({ allowPlugins = [] }: SpecOptions) => registryFor({ allowPlugin: allowPlugins })

/** The places that options name, as commands take them. */
const common = ({ store, address }: Pick<RunOptions, 'store' | 'address'>): Common => ({
  ...(store !== undefined && { store }),
  ...(address !== undefined && { address }),
})

const selectionOf = ({ from, until, only }: RunOptions): Selection => ({
  ...(from !== undefined && { from }),
  ...(until !== undefined && { until }),
  ...(only !== undefined && { only }),
})

async function frozen(file: string, options: SpecOptions) {
  const { plan, listings, diagnostics } = await compileSpec(file, registryOf(options))
  if (!plan) throw new BadSpec(diagnostics)
  return { plan, listings, warnings: diagnostics }
}
