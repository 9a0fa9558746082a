import { InvalidArgumentError, type Command } from 'commander'
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../plugins/api/index.js'
import { allowing, type Allowed, type AllowEntry } from '../plugins/loading/allowed.js'
import { formatDiagnostic } from '../spec/diagnostics.js'
import { compileSpec } from '../spec/plan.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Registry } from '../spec/registry.js'
import { openStore as openStoreAt, type Store } from '../store/index.js'
import { BadSpec, explain } from './explain.js'
import { readSettings } from './settings.js'
import { specRegistry } from './spec-registry.js'

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

/** Options of commands that read a spec. */
export interface SpecOptions extends Common {
  readonly allowPlugin?: readonly string[]
}

export const reading = (command: Command): Command =>
  common(command).option(
    '--allow-plugin <name>',
    'a package or folder whose code may run; again for more (puzzleflow.config.yaml: allowPlugins)',
    (name: string, before: readonly string[]) => [...before, name],
    [],
  )

/** Plugins that the user allows, here or in settings files. */
export const allowedPlugins = (options: SpecOptions): Allowed => {
  const { flags, settings } = allowEntries(options)
  return allowing([...flags, ...settings])
}

/** The same as they are written: on the command line, and in settings files. */
export const allowEntries = ({
  allowPlugin = [],
}: SpecOptions): Readonly<Record<'flags' | 'settings', readonly AllowEntry[]>> => ({
  flags: allowPlugin.map((text) => ({ text, folder: process.cwd() })),
  settings: readSettings().allowPlugins,
})

/** Progress and logs: never on stdout. */
export const log = (line: string): void => void process.stderr.write(`${line}\n`)
export const print = (text: string): void => void process.stdout.write(`${text}\n`)
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))

/** The store that the user names, here or in settings files, or the one in the user's state directory. */
export async function openStore({ store }: Common): Promise<Store> {
  const settings = readSettings()
  // By way of the environment it reaches the worker and its child processes too.
  if (settings.cacheBytes !== undefined) process.env.PUZZLEFLOW_CACHE_BYTES ??= String(settings.cacheBytes)
  const opened = await openStoreAt(store ?? process.env.PUZZLEFLOW_STORE ?? settings.store)
  // A store that is not there yet is an empty one, unless it could never be there.
  let existing = opened.root
  while (!existsSync(existing)) existing = dirname(existing)
  if (!statSync(existing).isDirectory())
    throw new Failure('NoServer', `There can be no store at ${opened.root}: ${existing} is no folder`, {
      remedy: 'Choose another folder: --store DIR.',
    })
  return opened
}

/** What specs can use: built-in types and those of allowed plugins. */
export const registryFor = (options: SpecOptions): Registry => specRegistry(undefined, allowedPlugins(options))

/** The frozen plan of a spec. @throws BadSpec with all mistakes */
export async function planOf(file: string, options: SpecOptions): Promise<FrozenPlan> {
  const { plan, diagnostics, warnings = [] } = await compileSpec(file, registryFor(options))
  if (!plan) throw new BadSpec(diagnostics)
  for (const warning of warnings) log(`Warning: ${formatDiagnostic(warning)}`)
  return plan
}

/** Runs a command: failures become one clear message and the exit code of the contract. */
export function action<A extends unknown[]>(work: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await work(...args)
    } catch (error) {
      const { exitCode, text, json } = explain(error)
      if ((args.at(-1) as Command).opts<Common>().json) printJson({ error: json })
      log(text)
      process.exitCode = exitCode
    }
  }
}

/** Reads an option that must be a whole number. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`)
    return value
  }

/** `9464` or `0.0.0.0:9464`; on this machine only unless it says otherwise. */
export function listenAddress(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', port] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535) throw new InvalidArgumentError('It must be PORT or HOST:PORT.')
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

/** Reads an option that must be a number, 0 or more. */
export const positiveNumber = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number, 0 or more.')
  return value
}
