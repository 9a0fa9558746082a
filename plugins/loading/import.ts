import { register } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { PlannedPlugin } from '../../spec/frozen-plan.js'
import { Failure, type Plugin } from '../../api/index.js'
import { isMap } from '../../errors/foreign.js'
import { claimsWeights } from '../../api/weights.js'
import { verifiedBundle } from './bundle.js'
import { blockAnatomy, familyAnatomy, runAnatomy, stageAnatomy, typeProblem } from './type-fields.js'

/** Kinds of things that a plugin can add. */
const kinds = ['blocks', 'stages', 'runs', 'families', 'pipelines']

let hooked = false

/**
 * Loads the code of a compiled plugin. For child processes only: the code may do anything.
 * @throws Failure when it is not on this machine, or is not a plugin
 */
export async function importPlugin(planned: PlannedPlugin): Promise<Plugin> {
  const file = await verifiedBundle(planned)
  if (!hooked) register(new URL('./host-hooks.js', import.meta.url))
  hooked = true
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  return checkPlugin(module.default)
}

function checkPlugin(exported: unknown): Plugin {
  const bug = (message: string) => new Failure('PluginBug', message)
  if (exported === undefined) throw bug('it has no default export')
  if (!isMap(exported)) throw bug(`its default export is not an object { ${kinds.join(', ')} }`)
  for (const key of Object.keys(exported))
    if (!kinds.includes(key)) throw bug(`its default export has "${key}", which is none of ${kinds.join(', ')}`)
  const { blocks = [], stages = [], runs = [], families = [], pipelines = {} } = exported
  for (const [kind, list, anatomy] of [
    ['blocks', blocks, blockAnatomy],
    ['stages', stages, stageAnatomy],
    ['runs', runs, runAnatomy],
    ['families', families, familyAnatomy],
  ] as const) {
    if (!Array.isArray(list)) throw bug(`its \`${kind}\` is not a list`)
    for (const [i, type] of (list as unknown[]).entries()) {
      if (!isMap(type)) throw bug(`${kind}[${i}] is not an object`)
      const problem = typeProblem(type, anatomy(type))
      if (problem !== undefined) throw bug(`${kind}[${i}] ("${String(type.name)}") ${problem}`)
      if (kind === 'blocks' && claimsWeights(type))
        throw bug(`${kind}[${i}] ("${String(type.name)}") has a parameter "weights", a name that puzzleflow reserves`)
    }
  }
  return { blocks, stages, runs, families, pipelines } as Plugin
}
