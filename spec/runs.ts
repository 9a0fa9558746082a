import type { JsonObject } from '../api/block.js'
import { suggest, type Diagnostic } from './diagnostics.js'
import type { PlannedRun } from './frozen-plan.js'
import type { Registry } from './registry.js'
import type { Site } from './site.js'
import { checkValue, getValue, setValue } from './validate.js'

/** Checks an entry of `space.runs` against its run type's own schema. @returns the run type, as plans name it */
export function checkRun(
  data: JsonObject,
  at: string,
  registry: Registry,
  site: Site,
  report: (diagnostic: Diagnostic) => void,
): PlannedRun | undefined {
  const entry = getValue(data, at) as JsonObject | undefined
  if (typeof entry?.run !== 'string') return undefined // the pipeline's schema says so
  const { run: name, ...params } = entry
  const type = registry.runs.get(name)
  if (!type) {
    const message = `There is no run type "${name}".`
    const hint = suggest(name, registry.runs.names())
    report(site.diagnose(`${at}/run`, 'value', { code: 'unknown-run', message, hint }))
    return undefined
  }
  const label = at.slice(1).replaceAll('/', '.')
  const checked = checkValue(type.parameters, params, label, `run type ${type.name}`)
  for (const finding of checked.findings) report(site.diagnose(at + finding.at, finding.where, finding))
  setValue(data, at, { run: type.name, ...checked.data })
  return { name: type.name, version: type.version, ...(type.plugin !== undefined && { plugin: type.plugin }) }
}

/** Each once, in an order that depends on names alone. */
export function distinctRuns(runs: readonly PlannedRun[]): readonly PlannedRun[] {
  const byName = new Map(runs.map((run) => [run.name, run]))
  return [...byName.keys()].sort().map((name) => byName.get(name)!)
}
