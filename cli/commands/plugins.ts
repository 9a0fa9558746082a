import type { Command } from 'commander'
import { dirname, resolve } from 'node:path'
import { builtInFamilies } from '../../model/families/index.js'
import { openPlugins } from '../../plugins/loading/open.js'
import { blockAnatomy, describeType, runAnatomy, stageAnatomy } from '../../plugins/loading/type-fields.js'
import { builtInPipelines, loadPlugins, type Loaded } from '../../plugins/registry.js'
import { readDocument } from '../../spec/document.js'
import { pluginDiagnostic, pluginNames } from '../../spec/plugins.js'
import { readSpecText } from '../../spec/spec-text.js'
import { packageVersion } from '../../store/paths.js'
import { BadSpec } from '../explain.js'
import { listPlugin, type Listed } from '../plugin-list.js'
import { action } from '../action.js'
import { allowedPlugins } from '../allowed-plugins.js'
import { reading, type SpecOptions } from '../options.js'
import { print, printJson } from '../output.js'

/** What stage types, block types, run types, families of models and pipelines there are. */
export function pluginCommands(program: Command): void {
  const plugins = program.command('plugins').description('list stage types, block types, model families and pipelines')
  reading(plugins.command('ls').description('list those of puzzleflow, and those of a spec’s plugins'))
    .option('--spec <spec>', 'list its plugins too')
    .action(
      action(async (options: SpecOptions & { spec?: string }) => {
        const loaded = loadPlugins()
        const ofSpec = options.spec === undefined ? [] : await pluginsOf(options.spec, loaded, options)
        const all = [builtIn(loaded), ...ofSpec]
        if (options.json) printJson(all)
        else for (const plugin of all) print(listPlugin(plugin))
      }),
    )
}

const builtIn = (loaded: Loaded): Listed => ({
  name: 'puzzleflow',
  version: packageVersion(),
  origin: 'built-in',
  blocks: loaded.blocks.list().map((type) => describeType(type, blockAnatomy(type))),
  stages: loaded.stages.map((stage) => describeType(stage, stageAnatomy(stage))),
  runs: loaded.runs.list().map((type) => describeType(type, runAnatomy(type))),
  families: builtInFamilies.map(({ name, modelTypes }) => ({ name, modelTypes })),
  pipelines: builtInPipelines(),
})

async function pluginsOf(file: string, loaded: Loaded, options: SpecOptions): Promise<Listed[]> {
  const read = await readSpecText(file)
  if ('problem' in read) throw new BadSpec([read.problem])
  const spec = readDocument(file, read.text)
  if (spec.unreadable) throw new BadSpec(spec.diagnostics)
  const allowed = allowedPlugins(options)
  const { opened, failures } = await openPlugins(pluginNames(spec), dirname(resolve(file)), { allowed, loaded })
  if (failures.length > 0) throw new BadSpec(failures.map((failure) => pluginDiagnostic(spec, failure)))
  return opened.map(({ found, planned, description }) => ({
    ...planned,
    origin: found.kind === 'package' ? ('package' as const) : ('path' as const),
    folder: found.root,
    blocks: description.blocks,
    stages: description.stages,
    runs: description.runs,
    families: description.families.map(({ name, modelTypes }) => ({ name, modelTypes })),
    pipelines: Object.keys(description.pipelines),
  }))
}
