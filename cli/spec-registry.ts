import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { allowing, commandsAllowed, type Allowed } from '../plugins/loading/allowed.js'
import { Failure } from '../api/index.js'
import { inspectWithPlugins } from '../plugins/loading/ask.js'
import { withDescriptions } from '../plugins/loading/load.js'
import { openPlugins, pipelineFile, type OpenedPlugin } from '../plugins/loading/open.js'
import { builtInPipeline, builtInPipelines, loadPlugins, type Loaded } from '../plugins/registry.js'
import { inputContents } from '../plugins/inspect/input-contents.js'
import { inspectInputs, inspectTexts } from '../plugins/inspect/model.js'
import { freezeProgram } from '../plugins/stages/command/program.js'
import type { ProgramProblem, Registry } from '../spec/registry.js'

/**
 * Stage, block and run types as specs see them.
 * @param loaded  those that are there without plugins
 * @param allowed  plugins whose code may run. Default: none
 */
export function specRegistry(loaded: Loaded = loadPlugins(), allowed: Allowed = allowing([])): Registry {
  return {
    ...types(loaded),
    pipeline: builtInPipeline,
    pipelines: builtInPipelines,
    contents: inputContents,
    inspect: (inputs, stages) => inspectInputs(inputs, stages, loaded),
    openProgram: openProgramOf(allowed),
    async withPlugins(names, folder) {
      const { opened, failures } = await openPlugins(names, folder, { allowed, loaded })
      const trusted = allowing(opened.flatMap(pipelineFolders))
      const all = { ...allowed, folders: new Set([...allowed.folders, ...trusted.folders]) }
      const registry = { ...(await extended(loaded, opened)), contents: inputContents, openProgram: openProgramOf(all) }
      return { registry, plugins: opened.map(({ planned }) => planned), failures }
    },
  }
}

/** Where the pipelines of a plugin lie: their commands are the plugin's code as well. */
const pipelineFolders = ({ found, description }: OpenedPlugin) =>
  Object.entries(description.pipelines).map(([name, path]) => {
    const folder = dirname(pipelineFile(found, name, path))
    return { text: folder, folder }
  })

const openProgramOf =
  (allowed: Allowed): NonNullable<Registry['openProgram']> =>
  (command, sources, folders) => {
    for (const folder of folders) {
      const refused = commandsAllowed(folder, allowed)
      const code = 'command-not-allowed'
      const message = `The command "${command[0]}" would run here, but the commands of this folder are not allowed.`
      if (refused) return { code, message, ...refused } satisfies ProgramProblem
    }
    try {
      return freezeProgram(command, sources)
    } catch (error) {
      const { message, remedy: hint } = error as Failure
      const isOurs = error instanceof Failure || (error as NodeJS.ErrnoException).code !== undefined
      if (!isOurs) throw error
      return { code: 'bad-sources', message: `${message}.`, ...(hint !== undefined && { hint }) }
    }
  }

function types(loaded: Loaded): Pick<Registry, 'stages' | 'blocks' | 'runs'> {
  const withOrigin = <T extends Parameters<Loaded['originOf']>[0]>(type: T) => {
    const origin = loaded.originOf(type)
    return origin ? { ...type, plugin: origin.digest } : type
  }
  const runs = new Map(loaded.runs.list().map((type) => [type.name, withOrigin(type)]))
  const stages = new Map(loaded.stages.map((stage) => [stage.name, withOrigin(stage)]))
  return {
    stages: { get: (name) => stages.get(name), names: () => [...stages.keys()] },
    blocks: {
      get: (slot, name) => (loaded.blocks.has(slot, name) ? withOrigin(loaded.blocks.get(slot, name)) : undefined),
      names: (slot) =>
        loaded.blocks
          .list()
          .filter((type) => type.slot === slot)
          .map(({ name }) => name),
    },
    runs: { get: (name) => runs.get(name), names: () => [...runs.keys()] },
  }
}

/** The registry of puzzleflow and of plugins, which are known by their descriptions only. */
async function extended(loaded: Loaded, opened: readonly OpenedPlugin[]): Promise<Registry> {
  const plugins = opened.map(({ planned }) => planned)
  const files = new Map(
    opened.flatMap(({ found, description }) =>
      Object.entries(description.pipelines).map(([name, path]) => [name, pipelineFile(found, name, path)] as const),
    ),
  )
  const all = await withDescriptions(loaded, plugins)
  // Only the code of a block or run type knows what it finds in the parent.
  const asks = opened.some(
    ({ description: { blocks, runs, families } }) => blocks.length + runs.length + families.length > 0,
  )
  return {
    ...types(all),
    pipeline(name) {
      const file = files.get(name)
      return file === undefined ? builtInPipeline(name) : { file, text: readFileSync(file, 'utf8') }
    },
    pipelines: () => [...builtInPipelines(), ...files.keys()],
    inspect: async (inputs, stages) =>
      // Asks plugins only what they alone know: data may be large, and their time is limited.
      asks
        ? inspectTexts(inputs, stages, await inspectWithPlugins(plugins, inputs))
        : inspectInputs(inputs, stages, loaded),
  }
}
