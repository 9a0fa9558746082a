import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSchema } from '../../schemas/read.js'
import type { PlannedPlugin } from '../../spec/frozen-plan.js'
import { validatorOf } from '../../spec/keywords.js'
import type { BlockInfo, RunInfo, StageInfo } from '../../spec/registry.js'
import { checkValue } from '../../spec/validate.js'
import type { Digest } from '../../store/digest.js'
import { packageVersion } from '../../store/paths.js'
import { Failure, type Family, type JsonObject, type Slot } from '../../api/index.js'
import { ask } from './ask.js'
import { bundleFolder, verifiedBundle, writeBundleFile } from './bundle.js'

/** What a plugin holds, without its code: JSON, told by a child process and kept beside the bundle. */
export interface PluginDescription {
  readonly name: string
  readonly version: string
  /** `methods`: names of the functions that a type has. */
  readonly blocks: readonly (BlockInfo & { readonly slot: Slot; readonly methods: readonly string[] })[]
  readonly stages: readonly (StageInfo & { readonly methods: readonly string[] })[]
  readonly runs: readonly (RunInfo & { readonly methods: readonly string[] })[]
  readonly families: readonly Pick<Family, 'name' | 'modelTypes' | 'architectures'>[]
  /** Files by name, relative to the plugin's folder. */
  readonly pipelines: Readonly<Record<string, string>>
}

const schema = () => {
  const { $defs } = readSchema('plugin')
  return { $ref: '#/$defs/description', $defs }
}

/** By digest: a bundle always says the same. */
const known = new Map<Digest, Promise<PluginDescription>>()

/**
 * What a compiled plugin holds, from the cache or from a child process that loads it.
 * @throws Failure PluginBug when it cannot be loaded, takes too long or holds something else than a plugin does
 */
export function describePlugin(plugin: PlannedPlugin, milliseconds?: number): Promise<PluginDescription> {
  const found = known.get(plugin.digest) ?? describe(plugin, milliseconds)
  known.set(plugin.digest, found)
  found.catch(() => known.delete(plugin.digest))
  return found
}

async function describe(plugin: PlannedPlugin, milliseconds: number | undefined): Promise<PluginDescription> {
  const file = join(bundleFolder(plugin.digest), 'description.json')
  const kept = await read(file)
  // Another version of puzzleflow may find other things in the same code.
  if (kept?.puzzleflow === packageVersion()) return checked(plugin, kept.description)
  await verifiedBundle(plugin)
  const description = checked(plugin, await ask({ kind: 'describe', plugin }, milliseconds))
  await writeBundleFile(file, JSON.stringify({ puzzleflow: packageVersion(), description }, null, 1))
  return description
}

async function read(file: string): Promise<{ puzzleflow?: unknown; description?: unknown } | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as { puzzleflow?: unknown; description?: unknown }
  } catch {
    return undefined // it is made again
  }
}

function checked({ name, version }: PlannedPlugin, description: unknown): PluginDescription {
  const { findings } = checkValue(schema(), description as JsonObject, name)
  if (findings[0]) throw new Failure('PluginBug', findings[0].message)
  // Descriptions that were kept before there were run types have none.
  const {
    blocks,
    stages,
    runs = [],
    families = [],
    pipelines,
  } = description as PluginDescription & Partial<Pick<PluginDescription, 'runs' | 'families'>>
  // Their schemas are used far from here: they are known to be schemas from now on.
  for (const block of blocks) validatorOf(block.parameters, `${block.slot} block type "${block.name}"`)
  for (const stage of stages) validatorOf(stage.parameters, `stage type "${stage.name}"`)
  for (const run of runs) validatorOf(run.parameters, `run type "${run.name}"`)
  return { name, version, blocks, stages, runs, families, pipelines }
}
