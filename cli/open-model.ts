import { resolve } from 'node:path'
import { isOnnxFolder, OnnxModel, openModel, UnknownFamily, type Model } from '../model/index.js'
import { Failure, type Blocks } from '../api/index.js'
import type { AllowEntry } from '../plugins/loading/allowed.js'
import { isPackageName } from '../plugins/loading/find.js'
import { withCode } from '../plugins/loading/load.js'
import { openPlugins } from '../plugins/loading/open.js'
import { loadPlugins } from '../plugins/registry.js'
import { allowedPlugins, allowEntries } from './allowed-plugins.js'
import { packageRoot } from '../store/paths.js'
import type { SpecOptions } from './options.js'
import { log } from './output.js'

/**
 * Opens a model for a command. Where it has block types or a family that do not come with puzzleflow, they are looked for in the
 * plugins that the user allows, on the command line or in settings files; their code runs in this process.
 * @throws Failure InvalidInput when none of them has a block type
 */
export async function openAnyModel(folder: string, options: SpecOptions): Promise<Model> {
  const model = await openWithPlugins(folder, options)
  for (const warning of model.warnings ?? []) log(`Warning: ${warning}.`)
  return model
}

/** The same without telling its warnings. */
export async function openWithPlugins(folder: string, options: SpecOptions): Promise<Model> {
  const builtIn = loadPlugins()
  const noted = noting(builtIn.blocks)
  try {
    return await openModel(folder, noted.blocks)
  } catch (error) {
    if (!noted.isIncomplete() && !(error instanceof UnknownFamily)) throw error
  }
  const { flags, settings } = allowEntries(options)
  const open = (entries: readonly AllowEntry[]) =>
    openPlugins([...new Set(entries.map(nameOf))], packageRoot(), { allowed: allowedPlugins(options), loaded: builtIn })
  const asked = await open(flags)
  const [failure] = asked.failures
  if (failure)
    throw new Failure('InvalidInput', failure.message, failure.hint === undefined ? {} : { remedy: failure.hint })
  // Settings also allow what has nothing to do with this model, or is not a plugin: folders whose commands may run.
  const known = new Set(asked.opened.map(({ found }) => found.name))
  const { opened } = await open(settings)
  const plugins = [...asked.opened, ...opened.filter(({ found }) => !known.has(found.name))]
  const withBlocks = plugins.filter(({ description: { blocks, families } }) => blocks.length + families.length > 0)
  const { blocks } = await withCode(
    builtIn,
    withBlocks.map(({ planned }) => planned),
  )
  const all = noting(blocks)
  try {
    return await openModel(folder, all.blocks)
  } catch (error) {
    if (!all.isIncomplete() || !(error instanceof Failure)) throw error
    throw new Failure(error.kind, error.message, {
      file: folder,
      remedy: 'Allow the plugin that provides it: --allow-plugin FOLDER_OR_PACKAGE.',
    })
  }
}

/** Opens what a command only runs: a model, or the ONNX graph that one was exported as, whose block types are in it.
 *  @throws Failure InvalidInput */
export function openRunnable(
  folder: string,
  options: SpecOptions & { readonly threads: number },
): Promise<Model | OnnxModel> {
  return isOnnxFolder(folder) ? OnnxModel.open(folder, options.threads) : openAnyModel(folder, options)
}

/** Block types that remember whether one was asked for which they have not. */
function noting(blocks: Blocks): { readonly blocks: Blocks; isIncomplete(): boolean } {
  let incomplete = false
  const get: Blocks['get'] = (slot, name) => {
    incomplete ||= !blocks.has(slot, name)
    return blocks.get(slot, name)
  }
  return { blocks: { ...blocks, get }, isIncomplete: () => incomplete }
}

const nameOf = ({ text, folder }: AllowEntry): string => (isPackageName(text) ? text : resolve(folder, text))
