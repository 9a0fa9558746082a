import type { FrozenPlan } from '../spec/frozen-plan.js'
import { compileSpec, type CompiledSpec } from '../spec/plan.js'
import type { Registry } from '../spec/registry.js'
import { allowedPlugins } from './allowed-plugins.js'
import { BadSpec } from './explain.js'
import { framed } from './framed.js'
import type { SpecOptions } from './options.js'
import { log } from './output.js'
import { specRegistry } from './spec-registry.js'

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
  const { set = [] } = options
  const spec = await compileSpec(file, registryFor(options), set)
  const { plan } = spec
  if (!plan) throw new BadSpec(spec.diagnostics, set)
  for (const warning of framed(spec.diagnostics, set, process.stderr)) log(warning)
  return { ...spec, plan }
}
