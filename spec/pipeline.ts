import type { Json, JsonObject } from '../api/block.js'
import { isObject } from '../api/json-object.js'
import { readSchema } from '../schemas/read.js'
import { suggest, type Diagnostic } from './diagnostics.js'
import { readDocument, type SourceDocument } from './document.js'
import type { PlannedStage } from './frozen-plan.js'
import { misplacedExpressions } from './expressions.js'
import { validatorOf } from './keywords.js'
import type { Registry } from './registry.js'
import { mergedSite, siteOf, type Site } from './site.js'
import { pointer } from './source-map.js'
import { explainTraps } from './traps.js'
import { checkValue } from './validate.js'

/** A need as written: `capture`, `uptrain?` for one that may be left out, or `recapture as capture`. */
export interface Need {
  readonly stage: string
  readonly optional: boolean
  /** The name by which the stage type finds its outputs. */
  readonly as: string
}

/** A stage as the pipeline and the spec describe it, before its parameters are checked. */
export interface StageNode {
  readonly name: string
  readonly uses: string
  readonly needs: readonly Need[]
  readonly params: JsonObject
  /** The stage whose parameters it has where it sets none. */
  readonly like?: string
  /** Whether a parameter is that stage's, by its pointer: mistakes in it are told once, there. */
  readonly inherits?: (at: string) => boolean
  readonly execution: Execution
  /** Its place in the spec's `execution:`. */
  readonly executionSite?: Site
  /** Of the stage's definition: `/uses`, `/needs/0`. */
  readonly site: Site
  /** Of the parameters. */
  readonly paramsSite: Site
}

/** How a stage's tasks are run: nothing that their results depend on. */
export type Execution = Pick<
  PlannedStage,
  'exclusive' | 'retry' | 'timeout' | 'memory' | 'queue' | 'onFailure' | 'minimumSuccess'
>
const executionKeys = ['exclusive', 'retry', 'timeout', 'memory', 'queue', 'onFailure', 'minimumSuccess'] as const

export interface Pipeline {
  /** `custom` for a pipeline written in the spec. */
  readonly name: string
  /** Object schema of the keys it adds to a spec. */
  readonly inputs: InputsSchema
  readonly stages: readonly StageNode[]
}

export interface InputsSchema {
  readonly type: 'object'
  readonly required: readonly string[]
  readonly properties: Readonly<Record<string, object>>
  readonly $defs: Readonly<Record<string, object>>
}

const noInputs: InputsSchema = { type: 'object', required: [], properties: {}, $defs: {} }
const pipelineSchema = readSchema('pipeline')
const { stage, ...otherDefs } = pipelineSchema.$defs as { readonly stage: { readonly properties: JsonObject } }
const stageSchema = { ...stage, $defs: { stage, ...otherDefs } }

interface Reading {
  readonly registry: Registry
  readonly report: (diagnostic: Diagnostic) => void
  /** Pipelines whose inputs led here. */
  readonly trail: readonly string[]
}

/** The pipeline that a spec names or contains. Undefined when it cannot be used. */
export function readPipeline(
  spec: SourceDocument,
  registry: Registry,
  report: (diagnostic: Diagnostic) => void,
): Pipeline | undefined {
  const written = spec.data.pipeline ?? 'puzzle'
  const site = siteOf(spec.map, '/pipeline')
  if (typeof written === 'string') return namedPipeline(written, site, registry, report)
  if (!isObject(written)) return undefined // the envelope's schema says so
  return compilePipeline('custom', written, site, { registry, report, trail: [] })
}

/**
 * A pipeline of the registry.
 * @param site  of the text that names it
 */
export function namedPipeline(
  name: string,
  site: Site,
  registry: Registry,
  report: (diagnostic: Diagnostic) => void,
  trail: readonly string[] = [],
): Pipeline | undefined {
  const source = registry.pipeline(name)
  if (!source || trail.includes(name)) {
    const message = source ? `Pipeline "${name}" takes its inputs from itself.` : `There is no pipeline "${name}".`
    const hint = source ? undefined : suggest(name, registry.pipelines())
    report(site.diagnose('', 'value', { code: 'unknown-pipeline', message, hint }))
    return undefined
  }
  const document = readDocument(source.file, source.text)
  document.diagnostics.forEach(report)
  if (document.diagnostics.length > 0) return undefined
  const explained = (found: Diagnostic) => explainTraps([found], document).forEach(report)
  const reading = { registry, report: explained, trail: [...trail, name] }
  return compilePipeline(name, document.data, siteOf(document.map), reading)
}

function compilePipeline(name: string, written: JsonObject, site: Site, reading: Reading): Pipeline | undefined {
  const { data, findings } = checkValue(pipelineSchema, written, name === 'custom' ? 'pipeline' : `pipeline ${name}`)
  for (const finding of findings) reading.report(site.diagnose(finding.at, finding.where, finding))
  const misplaced = misplacedExpressions(written, ([key, , part]) => key === 'stages' && part === 'with')
  for (const { path, ...problem } of misplaced) reading.report(site.diagnose(pointer(path), 'value', problem))
  if (!isObject(data.stages) || misplaced.length > 0) return undefined
  const nodes = Object.entries(data.stages).flatMap(([stage, definition]) =>
    isObject(definition) ? [makeNode(stage, definition, inner(site, pointer(['stages', stage])))] : [],
  )
  return { name, inputs: readInputs(data.inputs, inner(site, '/inputs'), reading), stages: nodes }
}

function readInputs(inputs: Json | undefined, site: Site, { registry, report, trail }: Reading): InputsSchema {
  if (typeof inputs === 'string') return namedPipeline(inputs, site, registry, report, trail)?.inputs ?? noInputs
  if (!isObject(inputs)) return noInputs
  const { $defs: definitions = {}, ...rest } = inputs
  const check = (name: string, schema: object): boolean => {
    const message = schemaProblem(schema)
    if (message !== undefined) report(site.diagnose(pointer([name]), 'value', { code: 'wrong-schema', message }))
    return message === undefined
  }
  const $defs = check('$defs', { $defs: definitions }) ? (definitions as InputsSchema['$defs']) : {}
  const required: string[] = []
  const properties: Record<string, object> = {}
  for (const [name, written] of Object.entries(rest)) {
    if (!isObject(written)) continue // the schema of pipelines says so
    const { optional, ...schema } = written
    if (optional !== true && !('default' in schema)) required.push(name)
    properties[name] = check(name, { ...schema, $defs }) ? schema : {}
  }
  return { type: 'object', required, properties, $defs }
}

/** Why a schema is not valid; undefined if it is. */
function schemaProblem(schema: object): string | undefined {
  try {
    validatorOf(schema, 'this input')
    return undefined
  } catch (error) {
    return `${(error as Error).message}.`
  }
}

/** Stages of a run: each is some 25 events of the search, and Temporal takes 51,200. */
const mostStages = 1000

/** Lays the spec's `stages:` over the pipeline's: parameters, stages left out, stages added. */
export function applySpecStages(
  pipeline: Pipeline,
  spec: SourceDocument,
  report: (diagnostic: Diagnostic) => void,
): { readonly stages: readonly StageNode[]; readonly leftOut: ReadonlyMap<string, Site> } {
  const nodes = new Map(pipeline.stages.map((node) => [node.name, node]))
  const leftOut = new Map<string, Site>()
  const written = isObject(spec.data.stages) ? spec.data.stages : {}
  for (const [name, value] of Object.entries(written)) {
    const site = siteOf(spec.map, pointer(['stages', name]))
    const node = nodes.get(name)
    const definition = isObject(value) && 'uses' in value ? value : undefined
    if (definition && (!node || definition.replace === true)) {
      const { data, findings } = checkValue(stageSchema, definition, `stages.${name}`)
      for (const finding of findings) report(site.diagnose(finding.at, finding.where, finding))
      const added = makeNode(name, data, site)
      nodes.set(name, node && data.needs === undefined ? { ...added, needs: node.needs, site: node.site } : added)
    } else if (definition) {
      const message = `There are two stages "${name}": one here, one in pipeline "${pipeline.name}".`
      const hint = 'choose another name, or write `replace: true` to replace that one'
      report(site.diagnose('', 'key', { code: 'duplicate-stage', message, hint }))
    } else if (!node) {
      const message = `There is no stage "${name}" in pipeline "${pipeline.name}".`
      const hint = suggest(name, [...nodes.keys()]) ?? 'to add one, name its stage type with `uses:`'
      report(site.diagnose('', 'key', { code: 'unknown-stage', message, hint }))
    } else if (value === false) {
      leftOut.set(name, site)
      nodes.delete(name)
    } else if (isObject(value)) {
      const params = merge(node.params, value)
      nodes.set(name, { ...node, params, paramsSite: mergedSite(site, node.paramsSite) })
    }
  }
  for (const node of [...nodes.values()]) nodes.set(node.name, withLike(node, nodes, leftOut, report))
  const stages = [...nodes.values()]
  const over = stages[mostStages]
  if (over) {
    const message = `There are ${stages.length} stages; a run can have at most ${mostStages}.`
    const hint = 'merge similar stages into one stage with many tasks'
    report(over.site.diagnose('', 'key', { code: 'too-many-stages', message, hint }))
  }
  applyExecution(nodes, spec, report)
  return { stages: [...nodes.values()], leftOut }
}

/** A stage with the parameters of the one that it is like. A spec may have put one of another type there: its parameters mean nothing. */
function withLike(
  node: StageNode,
  nodes: ReadonlyMap<string, StageNode>,
  leftOut: ReadonlyMap<string, Site>,
  report: (diagnostic: Diagnostic) => void,
): StageNode {
  if (node.like === undefined) return node
  const model = nodes.get(node.like)
  if (!model && !leftOut.has(node.like)) {
    const message = `Stage "${node.name}" is like a stage "${node.like}" that does not exist.`
    report(
      node.site.diagnose('/like', 'value', {
        code: 'unknown-stage',
        message,
        hint: suggest(node.like, [...nodes.keys()]),
      }),
    )
  }
  if (model?.uses !== node.uses) return node
  return {
    ...node,
    params: merge(model.params, node.params),
    paramsSite: mergedSite(node.paramsSite, model.paramsSite),
    inherits: (at) => !node.paramsSite.has(at) && model.paramsSite.has(at),
  }
}

/** Schema of a stage's entry in `execution:`. */
export const executionSchema = (): JsonObject => {
  const properties = Object.fromEntries(executionKeys.map((key) => [key, stage.properties[key]!]))
  return { type: 'object', additionalProperties: false, properties }
}

function applyExecution(
  nodes: Map<string, StageNode>,
  spec: SourceDocument,
  report: (diagnostic: Diagnostic) => void,
): void {
  const written = isObject(spec.data.execution) ? spec.data.execution : {}
  for (const [name, value] of Object.entries(written)) {
    const site = siteOf(spec.map, pointer(['execution', name]))
    const node = nodes.get(name)
    if (!node) {
      const message = `There is no stage "${name}".`
      report(site.diagnose('', 'key', { code: 'unknown-stage', message, hint: suggest(name, [...nodes.keys()]) }))
      continue
    }
    if (!isObject(value)) continue // the envelope's schema says so
    const { data, findings } = checkValue(executionSchema(), value, `execution.${name}`)
    for (const finding of findings) report(site.diagnose(finding.at, finding.where, finding))
    nodes.set(name, { ...node, execution: { ...node.execution, ...(data as Execution) }, executionSite: site })
  }
}

function makeNode(name: string, definition: Readonly<Record<string, unknown>>, site: Site): StageNode {
  const { uses = name, needs = [] } = definition
  const texts = Array.isArray(needs) ? needs.filter((need): need is string => typeof need === 'string') : []
  return {
    name,
    uses: typeof uses === 'string' ? uses : name,
    needs: texts.map(readNeed),
    params: isObject(definition.with) ? definition.with : {},
    ...(typeof definition.like === 'string' && { like: definition.like }),
    execution: Object.fromEntries(
      executionKeys.filter((key) => definition[key] !== undefined).map((key) => [key, definition[key]]),
    ),
    site,
    paramsSite: inner(site, '/with'),
  }
}

function readNeed(text: string): Need {
  const [first = '', as] = text.split(' as ')
  const stage = first.replace(/\?$/, '')
  return { stage, optional: first.endsWith('?'), as: as ?? stage }
}

const inner = (site: Site, base: string): Site => ({
  diagnose: (at, where, problem) => site.diagnose(base + at, where, problem),
  folder: (at) => site.folder(base + at),
  has: (at) => site.has(base + at),
})

/** Maps are merged key by key, all else is replaced. */
function merge(below: JsonObject, above: JsonObject): JsonObject {
  const merged = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key]
    merged[key] = isObject(old) && isObject(value) ? merge(old, value) : value
  }
  return merged
}
