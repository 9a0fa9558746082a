import { dirname, resolve } from 'node:path'
import type { Diagnostic } from './diagnostics.js'
import type { SourceDocument } from './document.js'
import type { PlannedPlugin } from './frozen-plan.js'
import type { Registry } from './registry.js'
import { pointer } from './source-map.js'

/** What a spec can use: the registry and what its plugins hold. */
export interface SpecPlugins {
  readonly registry: Registry
  readonly plugins: readonly PlannedPlugin[]
  /** All plugins are there; otherwise names may be unknown only because they are not. */
  readonly complete: boolean
}

/** The plugins that a spec names, as it writes them. */
export function pluginNames({ data }: SourceDocument): readonly string[] {
  const written = data.plugins
  const texts = Array.isArray(written) ? written.filter((name): name is string => typeof name === 'string') : []
  return [...new Set(texts)].filter((name) => name !== '')
}

/** Reports a mistake at a plugin's line. */
export const pluginDiagnostic = (
  spec: SourceDocument,
  { plugin, code, message, hint }: { plugin: string; code: string; message: string; hint?: string },
): Diagnostic => {
  const index = (spec.data.plugins as readonly unknown[]).indexOf(plugin)
  return spec.map.diagnose(pointer(['plugins', index]), 'value', { code, message, hint })
}

/** Loads the plugins that a spec names. Those that cannot be loaded are diagnostics. */
export async function specPlugins(
  spec: SourceDocument,
  registry: Registry,
  report: (diagnostic: Diagnostic) => void,
): Promise<SpecPlugins> {
  const names = pluginNames(spec)
  if (names.length === 0) return { registry, plugins: [], complete: true }
  if (!registry.withPlugins) {
    const message = 'Plugins cannot be loaded here.'
    report(spec.map.diagnose('/plugins', 'key', { code: 'unknown-plugin', message }))
    return { registry, plugins: [], complete: false }
  }
  const { failures, ...loaded } = await registry.withPlugins(names, dirname(resolve(spec.file)))
  for (const failure of failures) report(pluginDiagnostic(spec, failure))
  return { ...loaded, complete: failures.length === 0 }
}

/** Reports what is not the consequence of a missing plugin. */
export const withoutMissing =
  (report: (diagnostic: Diagnostic) => void) =>
  (found: Diagnostic): void => {
    if (!['unknown-stage-type', 'unknown-block', 'unknown-run', 'unknown-pipeline'].includes(found.code)) report(found)
  }
