import { resolve } from 'node:path'
import type { Json, JsonObject, Slot } from '../api/block.js'
import { weightsSchema } from '../api/weights.js'
import { nearest, suggest, type Diagnostic } from './diagnostics.js'
import type { SourceDocument } from './document.js'
import type { Finding } from './explain-errors.js'
import type { PlannedBlock, PlannedRun } from './frozen-plan.js'
import type { Collected } from './keywords.js'
import type { InputsSchema } from './pipeline.js'
import type { BlockInfo, Registry } from './registry.js'
import { checkRun, distinctRuns } from './runs.js'
import { siteOf, type Site } from './site.js'
import { checkValue, getValue, setValue } from './validate.js'

/** A path that a spec names. */
export interface PathUse {
  /** Its place in the plan's JSON: `/inputs/data/train/path`, `/stages/2/params/file`. */
  readonly at: string
  /** Its name in `inputDigests`: `data.train.path`, `stages.distill.file`. */
  readonly name: string
  readonly written: string
  readonly absolute: string
  readonly kind: Collected['paths'][number]['kind']
  /** Reports a problem at its place. */
  readonly diagnose: (problem: Parameters<Site['diagnose']>[2]) => Diagnostic
}

export interface CheckedInputs {
  readonly inputs: JsonObject
  readonly paths: readonly PathUse[]
  readonly blocks: readonly PlannedBlock[]
  readonly runs: readonly PlannedRun[]
}

/** Checks a spec's inputs against what the pipeline declares, and each block and run of layers against its type's own schema. */
export function checkInputs(
  spec: SourceDocument,
  schema: InputsSchema,
  registry: Registry,
  report: (diagnostic: Diagnostic) => void,
): CheckedInputs {
  const site = siteOf(spec.map)
  const given = Object.fromEntries(Object.entries(spec.data).filter(([key]) => key in schema.properties))
  const { data, findings, paths, blocks, runs, requires } = checkValue(schema, given)
  for (const finding of findings) report(site.diagnose(finding.at, finding.where, finding))
  for (const { at, input } of requires) {
    if ((data[input] ?? null) !== null) continue
    const label = at.slice(1).replaceAll('/', '.')
    const message = `${label} requires the key "${input}".`
    const hint = `add \`${input}:\`, or leave \`${label.split('.').at(-1)}\` out`
    report(site.diagnose(at, 'value', { code: 'missing-key', message, hint }))
  }
  const used = blocks.flatMap(({ at, slot }) => checkBlock(data, at, slot, registry, site, report) ?? [])
  const usedRuns = runs.flatMap(({ at }) => checkRun(data, at, registry, site, report) ?? [])
  return {
    inputs: data,
    paths: resolvePaths(data, paths, site, '/inputs', ''),
    blocks: distinct(used),
    runs: distinctRuns(usedRuns),
  }
}

/** Each once, in an order that depends on names alone. */
export function distinct(blocks: readonly PlannedBlock[]): readonly PlannedBlock[] {
  const byKey = new Map(blocks.map((block) => [`${block.slot}/${block.name}`, block]))
  return [...byKey.keys()].sort().map((key) => byKey.get(key)!)
}

/** Makes paths absolute in place. */
export function resolvePaths(
  data: JsonObject,
  paths: Collected['paths'],
  site: Site,
  place: string,
  name: string,
): readonly PathUse[] {
  const uses = new Map<string, PathUse>()
  for (const { at, kind } of paths) {
    const written = getValue(data, at)
    if (typeof written !== 'string' || uses.has(at)) continue
    const absolute = resolve(site.folder(at), written)
    setValue(data, at, absolute)
    uses.set(at, {
      at: place + at,
      name: [...(name === '' ? [] : [name]), ...at.split('/').slice(1)].join('.'),
      written,
      absolute,
      kind,
      diagnose: (problem) => site.diagnose(at, 'value', problem),
    })
  }
  return [...uses.values()]
}

const weightsEntry = { type: 'object', properties: { weights: weightsSchema } }

/** `no-op` and `{ block: no-op }` are the same entry. */
function checkBlock(
  data: JsonObject,
  at: string,
  slot: Slot,
  registry: Registry,
  site: Site,
  report: (diagnostic: Diagnostic) => void,
): PlannedBlock | undefined {
  const written = getValue(data, at)
  const entry: JsonObject | undefined =
    typeof written === 'string' ? { block: written } : isEntry(written) ? written : undefined
  if (!entry) return undefined // the pipeline's schema says so
  setValue(data, at, entry)
  const name = entry.block as string
  const place = site.has(`${at}/block`) ? `${at}/block` : at
  const label = at.slice(1).replaceAll('/', '.')
  // It is puzzleflow's, whatever the block type.
  const { weights, ...others } = entry
  const checkWeights = (): JsonObject => {
    if (weights === undefined) return {}
    const { data, findings } = checkValue(weightsEntry, { weights }, label, 'weights')
    for (const finding of findings) report(site.diagnose(at + finding.at, finding.where, finding))
    return data
  }
  if (name === 'parent') {
    const extra = Object.keys(others).find((key) => key !== 'block')
    if (extra === undefined) checkWeights()
    else {
      const message = 'The block "parent" has only the parameter "weights".'
      report(site.diagnose(`${at}/${extra}`, 'key', { code: 'unknown-key', message }))
    }
    return undefined
  }
  const type = registry.blocks.get(slot, name)
  if (!type) {
    const message = `There is no block type "${name}" for slot "${slot}".`
    const hint = suggest(name, ['parent', ...registry.blocks.names(slot)])
    report(site.diagnose(place, 'value', { code: 'unknown-block', message, hint }))
    return undefined
  }
  // What is empty has none: an unknown key to it.
  const parameters = type.empty ? entry : others
  const params = Object.fromEntries(Object.entries(parameters).filter(([key]) => key !== 'block'))
  const ownsBlock = Object.hasOwn((type.parameters as { properties?: object }).properties ?? {}, 'block')
  const checked = checkValue(type.parameters, ownsBlock ? parameters : params, label, `${slot} block type ${name}`)
  for (const { hint, ...finding } of checked.findings)
    report(site.diagnose(at + finding.at, finding.where, { ...finding, hint: meantWeights(finding, type) ?? hint }))
  setValue(data, at, { block: name, ...checked.data, ...(type.empty ? {} : checkWeights()) })
  return plannedBlock(slot, type)
}

/** For a key that only the block type's own schema has looked at. */
function meantWeights({ code, at }: Pick<Finding, 'code' | 'at'>, type: BlockInfo): string | undefined {
  const key = at.split('/').at(-1)!
  return code === 'unknown-key' && !type.empty && nearest(key, ['weights']) ? suggest(key, ['weights']) : undefined
}

export const plannedBlock = (slot: Slot, { name, version, plugin }: BlockInfo): PlannedBlock => ({
  slot,
  name,
  version,
  ...(plugin !== undefined && { plugin }),
})

const isEntry = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  typeof (value as JsonObject).block === 'string'
