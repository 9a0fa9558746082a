import type { Command } from 'commander'
import { serverAddress } from './option-values.js'

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
