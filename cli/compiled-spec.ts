import { formatDiagnostic } from '../spec/diagnostics.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { compileSpec, type CompiledSpec } from '../spec/plan.js'
import type { Registry } from '../spec/registry.js'
import { allowedPlugins } from './allowed-plugins.js'
import { BadSpec } from './explain.js'
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
  const spec = await compileSpec(file, registryFor(options))
  const { plan } = spec
  if (!plan) throw new BadSpec(spec.diagnostics)
  for (const warning of spec.diagnostics) log(formatDiagnostic(warning))
  return { ...spec, plan }
}
