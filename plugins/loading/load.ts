import type { FrozenPlan, PlannedPlugin } from '../../spec/frozen-plan.js'
import { Failure, type BlockType, type Family, type RunType, type Stage } from '../../api/index.js'
import { withWeightsKey } from '../../api/weights.js'
import { loadPlugins, makeLoaded, type Loaded } from '../registry.js'
import { describePlugin } from './describe.js'
import { importPlugin } from './import.js'
import { standIn } from './type-fields.js'

/** What a plugin adds. */
interface Addition {
  readonly plugin: PlannedPlugin
  readonly stages: readonly Stage[]
  readonly blocks: readonly BlockType[]
  readonly runs: readonly RunType[]
  readonly families: readonly Family[]
}

/**
 * Stage, block and run types, those of a plan's plugins included, with their code: for child processes.
 * @throws Failure when a plugin is not on this machine or does not load
 */
export const withCode = (loaded: Loaded, plugins: readonly PlannedPlugin[]): Promise<Loaded> =>
  extended(loaded, plugins, async (plugin) => {
    try {
      const { stages = [], blocks = [], runs = [], families = [] } = await importPlugin(plugin)
      return { plugin, stages, blocks: blocks.map(withWeightsKey), runs, families }
    } catch (cause) {
      if (cause instanceof Failure && cause.kind !== 'PluginBug') throw cause
      throw new Failure('PluginBug', `The plugin ${plugin.name} cannot be loaded: ${(cause as Error).message}`, {
        cause,
      })
    }
  })

/**
 * The same as they are described: for processes that run no code of plugins. Their methods are there, but only to tell
 * which of them a type has.
 */
export const withDescriptions = (loaded: Loaded, plugins: readonly PlannedPlugin[]): Promise<Loaded> =>
  extended(loaded, plugins, async (plugin) => {
    const { stages, blocks, runs } = await describePlugin(plugin)
    return {
      plugin,
      stages: stages.map((stage) => standIn<Stage>(stage)),
      blocks: blocks.map((block) => withWeightsKey(standIn<BlockType>(block))),
      runs: runs.map((run) => standIn<RunType>(run)),
      // Models are opened where the code is.
      families: [],
    }
  })

/** Stage, block and run types that a plan uses, without the code of its plugins. */
export const describedTypes = ({ plugins }: FrozenPlan): Promise<Loaded> => withDescriptions(loadPlugins(), plugins)

async function extended(
  loaded: Loaded,
  plugins: readonly PlannedPlugin[],
  read: (plugin: PlannedPlugin) => Promise<Addition>,
): Promise<Loaded> {
  if (plugins.length === 0) return loaded
  const additions = await Promise.all(plugins.map(read))
  const stages = [...loaded.stages, ...additions.flatMap((addition) => addition.stages)]
  const blocks = [...loaded.blocks.list(), ...additions.flatMap((addition) => addition.blocks)]
  const runs = [...loaded.runs.list(), ...additions.flatMap((addition) => addition.runs)]
  const families = [...(loaded.blocks.families ?? []), ...additions.flatMap((addition) => addition.families)]
  const origins = new Map<object, PlannedPlugin>()
  for (const { plugin, ...types } of additions)
    for (const type of [...types.stages, ...types.blocks, ...types.runs, ...types.families]) origins.set(type, plugin)
  return makeLoaded(stages, blocks, runs, (type) => origins.get(type) ?? loaded.originOf(type), families)
}
