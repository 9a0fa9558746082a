import { Option, type Command } from 'commander'
import { serverAddress, wholeNumber } from './option-values.js'
import type { Loudness } from './progress/watcher.js'

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
  /** `KEY=VALUE`, laid over the spec's. */
  readonly set?: readonly string[]
  readonly allowPlugin?: readonly string[]
}

export const reading = (command: Command): Command =>
  common(command).option(
    '--allow-plugin <name>',
    'a package or folder whose code may run; repeat for more (the user’s settings file: allowPlugins)',
    (name: string, before: readonly string[]) => [...before, name],
    [],
  )

/** Options of commands that start a run and follow it. */
export interface RunningOptions extends SpecOptions, Loudness {
  readonly run?: string
  readonly detach?: boolean
  readonly concurrency?: number
  readonly heartbeat?: number
}

/** Adds the option that changes values of the spec. */
export const setting = (command: Command): Command =>
  command.option(
    '--set <key=value>',
    'use this value instead of the spec’s: stages.distill.tokens=20k; repeat for more',
    (text: string, before: readonly string[]) => [...before, text],
    [],
  )

/** The words that repeat these options. */
export const settingWords = ({ set = [] }: SpecOptions): string[] => set.flatMap((text) => ['--set', text])

/** Adds the options of commands that follow a run. */
export const following = (command: Command): Command =>
  command
    .addOption(new Option('--quiet', 'write only errors and how the run ended').conflicts('verbose'))
    .option('--verbose', 'write every change, and what the worker logs')

/** Adds the options for how a run's tasks are done. */
export const running = (command: Command): Command =>
  following(setting(command))
    .option('--concurrency <n>', 'maximum number of a stage’s tasks to run at once (default: 32)', wholeNumber(1))
    .option(
      '--heartbeat <seconds>',
      'a worker that is silent for this long counts as dead (default: 20)',
      wholeNumber(1),
    )
