import { InvalidArgumentError, type Command } from 'commander'
import { allowing, type Allowed, type AllowEntry } from '../plugins/loading/allowed.js'
import { formatDiagnostic } from '../spec/diagnostics.js'
import { compileSpec, type CompiledSpec } from '../spec/plan.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Registry } from '../spec/registry.js'
import { isBad, parseAddress, readPort, type HostPort } from '../server/address.js'
import { BadSpec, explain } from './explain.js'
import { readSettings } from './settings.js'
import { specRegistry } from './spec-registry.js'
import { noteGiven } from './typed.js'

/** Options that every command takes. */
export interface Common {
  readonly json?: boolean
  readonly store?: string
  readonly address?: string
}

export const common = (command: Command): Command =>
  command
    .option('--json', 'print one JSON document on stdout, and nothing else')
    .option(
      '--store <place>',
      'where artifacts and records are kept: a folder or s3://bucket/prefix (PUZZLEFLOW_STORE)',
    )
    .option('--address <host:port>', 'address of a Temporal server (TEMPORAL_ADDRESS)', serverAddress)

/** Options of commands that read a spec. */
export interface SpecOptions extends Common {
  readonly allowPlugin?: readonly string[]
}

export const reading = (command: Command): Command =>
  common(command).option(
    '--allow-plugin <name>',
    'a package or folder whose code may run; repeat for more (puzzleflow.config.yaml: allowPlugins)',
    (name: string, before: readonly string[]) => [...before, name],
    [],
  )

/** Plugins that the user allows, here or in settings files. */
export const allowedPlugins = (options: SpecOptions): Allowed => {
  const { flags, settings } = allowEntries(options)
  return allowing([...flags, ...settings])
}

/** The plugins that the user allows, as written on the command line and in settings files. */
export const allowEntries = ({
  allowPlugin = [],
}: SpecOptions): Readonly<Record<'flags' | 'settings', readonly AllowEntry[]>> => ({
  flags: allowPlugin.map((text) => ({ text, folder: process.cwd() })),
  settings: readSettings().allowPlugins,
})

/** Writes progress and logs to stderr, never to stdout. */
export const log = (line: string): void => void process.stderr.write(`${line}\n`)
export const print = (text: string): void => void process.stdout.write(`${text}\n`)
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))

/** Types that specs can use: built-in ones and those of allowed plugins. */
export const registryFor = (options: SpecOptions): Registry => specRegistry(undefined, allowedPlugins(options))

/** The frozen plan of a spec. @throws BadSpec with all mistakes */
export const planOf = async (file: string, options: SpecOptions): Promise<FrozenPlan> =>
  (await compiled(file, options)).plan

/** The frozen plan of a spec, with the files of the folders that it names. Logs warnings. @throws BadSpec with all mistakes */
export async function compiled(
  file: string,
  options: SpecOptions,
): Promise<Omit<CompiledSpec, 'plan'> & { readonly plan: FrozenPlan }> {
  const found = await compileSpec(file, registryFor(options))
  const { plan } = found
  if (!plan) throw new BadSpec(found.diagnostics)
  for (const warning of found.diagnostics) log(formatDiagnostic(warning))
  return { ...found, plan }
}

/** Runs a command: a failure becomes one clear message and its exit code (docs/operations.md). */
export function action<A extends unknown[]>(work: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    noteGiven((args.at(-1) as Command).opts<Common>())
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

/** The address of a server, as it is written. */
export function serverAddress(text: string): string {
  const read = parseAddress(text)
  if (isBad(read)) throw new InvalidArgumentError(`It ${read.problem}. ${read.remedy}`)
  return text
}

/** Reads an option that must be a port. */
export function portNumber(text: string): number {
  const port = readPort(text)
  if (port === undefined) throw new InvalidArgumentError('It must be a port: a whole number from 1 to 65535.')
  return port
}

/** `9464`, `0.0.0.0:9464` or `[::]:9464`; on this machine only unless it says otherwise. */
export function listenAddress(text: string): HostPort {
  if (/^\d*$/.test(text)) return { host: '127.0.0.1', port: portNumber(text) }
  const read = parseAddress(text)
  if (isBad(read)) throw new InvalidArgumentError(`It ${read.problem}. Write PORT or HOST:PORT, as in [::]:9464.`)
  return read
}

/** Reads an option that must be a number, 0 or more. */
export const positiveNumber = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number, 0 or more.')
  return value
}
