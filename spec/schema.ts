import { readSchema } from '../schemas/read.js'
import type { About, Slot } from '../api/block.js'
import { weightsSchema } from '../api/weights.js'
import { sortDiagnostics, type Diagnostic } from './diagnostics.js'
import { readDocument } from './document.js'
import { pathKinds } from './keywords.js'
import { executionSchema, namedPipeline, readPipeline, type Pipeline } from './pipeline.js'
import { specPlugins } from './plugins.js'
import type { Registry } from './registry.js'
import { siteOf } from './site.js'
import { SourceMap } from './source-map.js'
import { readSpecText } from './spec-text.js'
import { quantityExamples, type QuantityKind } from './units.js'

type Schema = Record<string, unknown>

/**
 * JSON Schema of a spec of a pipeline, for editors: the envelope, the pipeline's inputs, and the parameters of every
 * stage and block type. It is as strict as JSON Schema can be; `puzzleflow validate` says more.
 * @param pipeline  name of a pipeline in the registry
 * @throws Error naming the pipeline when it is not there or has mistakes
 */
export function specSchema(registry: Registry, pipeline = 'puzzle'): Schema {
  const diagnostics: Diagnostic[] = []
  const compiled = namedPipeline(pipeline, siteOf(new SourceMap('schema')), registry, (d) => void diagnostics.push(d))
  if (!compiled || diagnostics.length > 0)
    throw new Error(diagnostics[0]?.message ?? `There is no pipeline "${pipeline}".`)
  return schemaOf(compiled, registry)
}

/**
 * The same for one spec: of its own pipeline, with what its plugins hold. Mistakes elsewhere in the spec do not matter.
 * @param file  path of the spec
 */
export async function schemaOfSpec(
  file: string,
  registry: Registry,
): Promise<{ readonly schema?: Schema; readonly diagnostics: readonly Diagnostic[] }> {
  const read = await readSpecText(file)
  if ('problem' in read) return { diagnostics: [read.problem] }
  const spec = readDocument(file, read.text)
  if (spec.unreadable) return { diagnostics: spec.diagnostics }
  const diagnostics: Diagnostic[] = []
  const report = (diagnostic: Diagnostic) => void diagnostics.push(diagnostic)
  const { registry: all, complete } = await specPlugins(spec, registry, report)
  const pipeline = complete ? readPipeline(spec, all, report) : undefined
  if (!pipeline || diagnostics.length > 0) return { diagnostics: sortDiagnostics(diagnostics) }
  return { schema: schemaOf(pipeline, all), diagnostics: [] }
}

function schemaOf(pipeline: Pipeline, registry: Registry): Schema {
  const { required, ...envelope } = readSchema('spec')
  const isCustom = pipeline.name === 'custom'
  const defs: Schema = {}
  const inputs = plain({ ...pipeline.inputs }, registry, 'inputs', defs)
  Object.assign(defs, inputs.$defs)
  const properties = envelope.properties as Schema
  return {
    ...envelope,
    title: isCustom ? 'puzzleflow spec with its own pipeline' : `puzzleflow spec of pipeline ${pipeline.name}`,
    description: 'Made by `puzzleflow schema spec`.',
    required: isCustom ? [...(required as string[]), 'pipeline', ...pipeline.inputs.required] : required,
    // A spec may bring another pipeline, whose inputs are others.
    ...(isCustom
      ? {}
      : { if: { properties: { pipeline: { const: pipeline.name } } }, then: { required: pipeline.inputs.required } }),
    properties: {
      ...properties,
      ...(inputs.properties as Schema),
      pipeline: pipelineSchema(properties.pipeline as Schema, registry, defs),
      stages: { ...describedAs(properties.stages), ...stagesSchema(pipeline, registry, defs) },
      execution: {
        ...describedAs(properties.execution),
        type: 'object',
        properties: Object.fromEntries(
          pipeline.stages.map(({ name }) => [
            name,
            {
              description: `How the tasks of ${name} are run.`,
              ...plain(executionSchema(), registry, 'execution', defs),
            },
          ]),
        ),
      },
    },
    additionalProperties: false,
    $defs: defs,
  }
}

const describedAs = (schema: unknown): Schema => ({ description: (schema as Schema).description })

/** A pipeline's name, or one written in the spec. */
function pipelineSchema(envelope: Schema, registry: Registry, defs: Schema): Schema {
  const { $defs, ...written } = without(readSchema('pipeline'), '$schema')
  const stage = plain(($defs as { stage: object }).stage, registry, 'stage', defs)
  const withParameters = (type: string) => ({
    properties: {
      with: { description: `Parameters of a stage of type ${type}.`, ...parametersOf(type, registry, defs) },
    },
  })
  const allOf = registry.stages.names().map((type) => ({
    if: { properties: { uses: { const: type } }, required: ['uses'] },
    then: withParameters(type),
  }))
  defs.stage = { ...stage, allOf }
  // A stage that does not say what it uses is of the type of its own name.
  const named = registry.stages.names().map((type) => [
    type,
    {
      description: summaryOf(registry.stages.get(type)),
      ...{ $ref: '#/$defs/stage', if: { not: { required: ['uses'] } }, then: withParameters(type) },
    },
  ])
  const { properties } = written as { properties: Schema }
  const stages = {
    ...(properties.stages as Schema),
    properties: Object.fromEntries(named) as Schema,
    additionalProperties: { $ref: '#/$defs/stage' },
  }
  return {
    ...without(envelope, 'type'),
    anyOf: [
      ...registry.pipelines().map((name) => ({ const: name })),
      { type: 'string' },
      { ...written, properties: { ...properties, stages } },
    ],
  }
}

function stagesSchema(pipeline: Pipeline, registry: Registry, defs: Schema): Schema {
  defs['added-stage'] = { $ref: '#/$defs/stage', required: ['uses'] }
  const properties: Schema = {}
  for (const { name, uses } of pipeline.stages)
    properties[name] = {
      description: summaryOf(registry.stages.get(uses)),
      anyOf: [
        parametersOf(uses, registry, defs),
        { description: 'Leaves the stage out.', const: false },
        { type: 'null' },
      ],
    }
  return { type: 'object', properties, additionalProperties: { $ref: '#/$defs/added-stage' } }
}

const summaryOf = (type: { readonly name: string; readonly about?: Pick<About, 'summary'> } | undefined): string =>
  type?.about?.summary ?? `A stage of type ${type?.name}.`

/** Parameters of a stage type, none of them required: what a pipeline and a spec say is laid one over the other. */
function parametersOf(type: string, registry: Registry, defs: Schema): Schema {
  const owner = `stage-${type}`
  const info = registry.stages.get(type)
  if (!info) return { type: 'object' }
  defs[owner] ??= without(without(plain(info.parameters, registry, owner, defs), 'required'), '$schema')
  return { $ref: `#/$defs/${owner}` }
}

/** A schema whose keywords any editor knows. Definitions move to `defs`, under names that start with `owner`. */
function plain(schema: object, registry: Registry, owner: string, defs: Schema): Schema {
  const local = (schema as Schema).$defs as Record<string, object> | undefined
  const rename = owner === 'inputs' ? (name: string) => name : (name: string) => `${owner}.${name}`
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert)
    if (typeof value !== 'object' || value === null) return value
    const { quantity, blocks, runs, reason, requires, ...rest } = value as Schema
    // Below `properties` the keywords are names of properties.
    if ([quantity, blocks, runs, reason, requires].some(isSchemaValue))
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item)]))
    const converted = Object.fromEntries(
      Object.entries(rest).map(([key, item]) =>
        key === '$ref' && typeof item === 'string' ? [key, renameRef(item, rename)] : [key, convert(item)],
      ),
    )
    if (typeof quantity === 'string')
      return { ...quantitySchema(quantity as QuantityKind), ...describe(rest, quantity) }
    // What the keyword says is for commands to see to.
    if (rest.program === true) delete converted.program
    if (isPathFormat(rest)) return { minLength: 1, ...without(converted, 'format') }
    if (typeof blocks === 'string') return blockSchema(blocks as Slot, registry, defs)
    if (runs === true) return runSchema(registry, defs)
    if (rest.type === 'integer' || rest.type === 'number') return { ...converted, ...numberSchema(rest) }
    return converted
  }
  const converted = convert(schema) as Schema
  if (local && owner !== 'inputs') {
    for (const [name, definition] of Object.entries(converted.$defs as Schema)) defs[rename(name)] = definition
    delete converted.$defs
  }
  return converted
}

const isPathFormat = ({ format }: Schema) => (pathKinds as readonly unknown[]).includes(format)

const without = (schema: Schema, key: string) => Object.fromEntries(Object.entries(schema).filter(([k]) => k !== key))

const isSchemaValue = (value: unknown) => typeof value === 'object' && value !== null

const renameRef = (ref: string, rename: (name: string) => string) =>
  ref.replace(/^#\/\$defs\/([^/]+)/, (_, name: string) => `#/$defs/${rename(name)}`)

function quantitySchema(kind: QuantityKind): Schema {
  const limit = kind.endsWith('-limit')
  return { type: limit ? 'string' : ['number', 'string'], examples: quantityExamples(kind).split(', ').map(unquote) }
}

const unquote = (text: string) => text.replaceAll('"', '')

function describe({ description, ...rest }: Schema, kind: string): Schema {
  const examples = `For example ${quantityExamples(kind as QuantityKind)}.`
  return { ...rest, description: typeof description === 'string' ? `${description} ${examples}` : examples }
}

/** A number may be written with a unit: `50k`, `20%`. */
function numberSchema({ type }: Schema): Schema {
  return { type: [type, 'string'], pattern: type === 'integer' ? '^[0-9]' : '^-?[0-9]' }
}

/** An entry of the space: a name, or a block type with its parameters. `if` per type rather than one large `oneOf`. */
function blockSchema(slot: Slot, registry: Registry, defs: Schema): Schema {
  const names = ['parent', ...registry.blocks.names(slot)]
  const allOf = names.map((name) => {
    const type = registry.blocks.get(slot, name)
    const owner = `block-${slot}-${name}`
    const schema: Schema = type
      ? { ...plain(type.parameters, registry, owner, defs) }
      : { type: 'object', properties: {}, additionalProperties: false }
    delete schema.$schema
    schema.properties = {
      ...(schema.properties as Schema),
      ...(type?.empty ? {} : { weights: weightsSchema }),
      block: { const: name },
    }
    return { if: { type: 'object', properties: { block: { const: name } } }, then: schema }
  })
  const described = names.map((name) => {
    const about = registry.blocks.get(slot, name)?.about
    const pays = about?.pays === undefined ? '' : ` When it pays: ${about.pays}`
    const description =
      name === 'parent' ? 'The parent’s own block.' : `${about?.summary ?? `Block type ${name}.`}${pays}`
    return { description, const: name }
  })
  const block = { description: 'A block type.', anyOf: described }
  defs[`${slot}-block`] = {
    anyOf: [
      ...described,
      { title: 'block type with parameters', type: 'object', required: ['block'], properties: { block }, allOf },
    ],
  }
  return { $ref: `#/$defs/${slot}-block` }
}

/** An entry of `space.runs`: a run type with its parameters. */
function runSchema(registry: Registry, defs: Schema): Schema {
  const names = registry.runs.names()
  const allOf = names.map((name) => {
    const schema = without(plain(registry.runs.get(name)!.parameters, registry, `run-${name}`, defs), '$schema')
    schema.properties = { ...(schema.properties as Schema | undefined), run: { const: name } }
    return { if: { type: 'object', properties: { run: { const: name } } }, then: schema }
  })
  const described = names.map((name) => ({
    description: registry.runs.get(name)?.about?.summary ?? `Run type ${name}.`,
    const: name,
  }))
  const run = { description: 'A run type.', anyOf: described }
  defs.run = { type: 'object', required: ['run'], properties: { run }, allOf }
  return { $ref: '#/$defs/run' }
}
