import { existsSync, realpathSync, statSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import type { PlannedPlugin } from '../../spec/frozen-plan.js'
import { builtInFamilies } from '../../model/families/index.js'
import { Failure, slots, type Family } from '../../api/index.js'
import { builtInPipelines, type Loaded } from '../registry.js'
import { checkAllowed, type Allowed } from './allowed.js'
import { BadPlugin } from './bad-plugin.js'
import { compilePlugin } from './compile.js'
import { describePlugin, type PluginDescription } from './describe.js'
import { findPlugin, type FoundPlugin } from './find.js'

/** A plugin that a spec can use. */
export interface OpenedPlugin {
  readonly found: FoundPlugin
  readonly planned: PlannedPlugin
  readonly description: PluginDescription
}

/** A plugin that it cannot use. */
export interface FailedPlugin {
  /** As the spec writes it. */
  readonly plugin: string
  readonly code: BadPlugin['code']
  readonly message: string
  readonly hint?: string
}

export interface OpenOptions {
  readonly allowed: Allowed
  /** What is there already: its names are taken. */
  readonly loaded: Loaded
  /** For a plugin to load. */
  readonly milliseconds?: number
}

/**
 * Finds, compiles and describes the plugins of a spec, those that are allowed. Nothing of them runs in this process.
 * @param names  as the spec writes them
 * @param folder  the spec's
 */
export async function openPlugins(
  names: readonly string[],
  folder: string,
  { allowed, loaded, milliseconds }: OpenOptions,
): Promise<{ readonly opened: readonly OpenedPlugin[]; readonly failures: readonly FailedPlugin[] }> {
  const taken = new Map<string, string>()
  const builtIn = 'puzzleflow itself'
  for (const { name } of loaded.stages) taken.set(`stage type "${name}"`, builtIn)
  for (const { slot, name } of loaded.blocks.list()) taken.set(`${slot} block type "${name}"`, builtIn)
  for (const { name } of loaded.runs.list()) taken.set(`run type "${name}"`, builtIn)
  for (const family of builtInFamilies) for (const name of familyNames(family)) taken.set(name, builtIn)
  for (const slot of slots) taken.set(`${slot} block type "parent"`, builtIn)
  for (const name of builtInPipelines()) taken.set(`pipeline "${name}"`, builtIn)

  const opened: OpenedPlugin[] = []
  const failures: FailedPlugin[] = []
  for (const name of names)
    try {
      const plugin = await open(name, folder, allowed, milliseconds)
      claimNames(plugin, taken)
      opened.push(plugin)
    } catch (error) {
      if (!(error instanceof BadPlugin)) throw error
      const { code, message, hint } = error
      failures.push({ plugin: name, code, message, ...(hint === undefined ? {} : { hint }) })
    }
  return { opened, failures }
}

async function open(
  written: string,
  folder: string,
  allowed: Allowed,
  milliseconds: number | undefined,
): Promise<OpenedPlugin> {
  const found = findPlugin(written, folder)
  checkAllowed(found, allowed)
  const planned = { name: found.name, version: found.version, digest: await compilePlugin(found) }
  try {
    const description = await describePlugin(planned, milliseconds)
    for (const [name, path] of Object.entries(description.pipelines)) pipelineFile(found, name, path)
    return { found, planned, description }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const message = `The plugin "${written}" cannot be used: ${error.message.replace(/\.$/, '')}.`
    throw new BadPlugin('broken-plugin', message, error.remedy, { cause: error })
  }
}

/** The file of one of its pipelines. @throws Failure when it is not there, or lies elsewhere */
export function pipelineFile({ root }: FoundPlugin, name: string, path: string): string {
  const file = resolve(root, path)
  if (!existsSync(file) || !statSync(file).isFile() || !realpathSync(file).startsWith(root + sep))
    throw new Failure('PluginBug', `its pipeline "${name}" is not a file in its folder: ${path}`)
  return file
}

/** What no two families can have both. */
const familyNames = ({ name, modelTypes }: Pick<Family, 'name' | 'modelTypes'>): string[] => [
  `model family "${name}"`,
  ...modelTypes.map((type) => `model_type "${type}"`),
]

function claimNames({ found, description }: OpenedPlugin, taken: Map<string, string>): void {
  const names = [
    `name "${found.name}"`,
    ...description.stages.map(({ name }) => `stage type "${name}"`),
    ...description.blocks.map(({ slot, name }) => `${slot} block type "${name}"`),
    ...description.runs.map(({ name }) => `run type "${name}"`),
    ...description.families.flatMap(familyNames),
    ...Object.keys(description.pipelines).map((name) => `pipeline "${name}"`),
  ]
  const seen = new Set<string>()
  for (const name of names) {
    const clash = (what: string) => new BadPlugin('plugin-clash', `The plugin "${found.written}" defines the ${what}.`)
    if (seen.has(name)) throw clash(`${name} twice`)
    if (taken.has(name)) throw clash(`${name}, which ${taken.get(name)} has`)
    seen.add(name)
  }
  for (const name of seen) taken.set(name, `plugin "${found.written}"`)
}
