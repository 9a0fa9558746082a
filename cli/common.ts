import type { Command } from 'commander'
import pc from 'picocolors'
import { exitCodes, Failure, type FailureKind, type JsonObject } from '../plugins/api/index.js'
import { builtInPipeline, builtInPipelines, inspectInputs, loadPlugins, type Loaded } from '../plugins/registry.js'
import { compileSpec } from '../spec/plan.js'
import { formatDiagnostic, type Diagnostic } from '../spec/diagnostics.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Registry } from '../spec/registry.js'
import { openStore as openStoreAt, type Store } from '../store/index.js'

/** Options that every command takes. */
export interface Common {
  readonly json?: boolean
  readonly store?: string
  readonly address?: string
}

export const common = (command: Command): Command =>
  command
    .option('--json', 'one JSON document on stdout, and nothing else there')
    .option(
      '--store <place>',
      'where artifacts and records are kept: a folder or s3://bucket/prefix (PUZZLEFLOW_STORE)',
    )
    .option('--address <host:port>', 'of a Temporal server (TEMPORAL_ADDRESS)')

/** Progress and logs: never on stdout. */
export const log = (line: string): void => void process.stderr.write(`${line}\n`)
export const print = (text: string): void => void process.stdout.write(`${text}\n`)
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))

/** The store that the user names, or the one in the user's state directory. */
export const openStore = ({ store }: Common): Promise<Store> => openStoreAt(store ?? process.env.PUZZLEFLOW_STORE)

export const addressOf = ({ address }: Common): string | undefined => address ?? process.env.TEMPORAL_ADDRESS

/** Stage and block types as specs see them. */
export function specRegistry(loaded: Loaded = loadPlugins()): Registry {
  const stages = new Map(loaded.stages.map((stage) => [stage.name, stage]))
  return {
    stages: { get: (name) => stages.get(name), names: () => [...stages.keys()] },
    blocks: {
      get: (slot, name) => (loaded.blocks.has(slot, name) ? loaded.blocks.get(slot, name) : undefined),
      names: (slot) =>
        loaded.blocks
          .list()
          .filter((type) => type.slot === slot)
          .map(({ name }) => name),
    },
    pipeline: builtInPipeline,
    pipelines: builtInPipelines,
    inspect: (inputs: JsonObject) => inspectInputs(inputs, loaded.blocks),
  }
}

/** A spec with mistakes. */
export class BadSpec extends Error {
  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join('\n'))
    this.name = 'BadSpec'
  }
}

/** The frozen plan of a spec. @throws BadSpec with all mistakes */
export async function planOf(file: string): Promise<FrozenPlan> {
  const { plan, diagnostics } = await compileSpec(file, specRegistry())
  if (!plan) throw new BadSpec(diagnostics)
  return plan
}

/** Runs a command: failures become one clear message and the exit code of the contract. */
export function action<A extends unknown[]>(work: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await work(...args)
    } catch (error) {
      process.exitCode = explain(error)
    }
  }
}

function explain(error: unknown): number {
  if (error instanceof BadSpec) {
    log(error.message)
    return exitCodes.InvalidInput
  }
  const found = causeOf(error)
  if (found) {
    log(pc.red(found.message))
    if (found.remedy) log(`Remedy: ${found.remedy}`)
    return exitCodes[found.kind]
  }
  log(error instanceof Error ? (error.stack ?? error.message) : String(error))
  log('This is a defect of puzzleflow.')
  return 1
}

/** The failure behind an error, also behind those that Temporal wraps around it. */
function causeOf(error: unknown): { kind: FailureKind; message: string; remedy?: string | undefined } | undefined {
  if (error instanceof Failure) return error
  let inner = error as
    { type?: string; message?: string; cause?: unknown; details?: unknown[]; name?: string } | undefined
  for (; inner; inner = inner.cause as typeof inner) {
    const { type, message = '', details } = inner
    if (type === undefined || inner.name !== 'ApplicationFailure') continue
    const remedy = (details?.[0] as { remedy?: string } | undefined)?.remedy
    if (type in exitCodes) return { kind: type as FailureKind, message, remedy }
    return { kind: 'TaskFailed', message: `A task failed for good: ${message}`, remedy }
  }
  return undefined
}
