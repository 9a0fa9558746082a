import { readSchema } from '../schemas/read.js'
import type { Slot } from '../plugins/api/block.js'
import type { Diagnostic } from './diagnostics.js'
import { executionSchema, namedPipeline, type Pipeline } from './pipeline.js'
import type { Registry } from './registry.js'
import { siteOf } from './site.js'
import { SourceMap } from './source-map.js'
import { quantityExamples, type QuantityKind } from './units.js'

type Schema = Record<string, unknown>

/**
 * JSON Schema of a spec of a pipeline, for editors: the envelope, the pipeline's inputs, and the parameters of every
 * stage and block type. It is as strict as JSON Schema can be; `puzzleflow validate` says more.
 * @param pipeline  name of a pipeline in the registry
 * @throws Error naming the pipeline when it is not there or has mistakes
 */
export function specSchema(registry: Registry, pipeline = 'puzzle'): Schema {
  const found: Diagnostic[] = []
  const compiled = namedPipeline(pipeline, siteOf(new SourceMap('schema')), registry, (d) => void found.push(d))
  if (!compiled || found.length > 0) throw new Error(found[0]?.message ?? `There is no pipeline "${pipeline}".`)
  const envelope = readSchema('spec')
  const defs: Schema = {}
  const inputs = plain({ ...compiled.inputs }, registry, 'inputs', defs)
  Object.assign(defs, inputs.$defs)
  return {
    ...envelope,
    title: `puzzleflow spec of pipeline ${pipeline}`,
    description: 'Made by `puzzleflow schema spec`.',
    // A spec may bring a pipeline of its own, whose inputs are others.
    if: { properties: { pipeline: { const: pipeline } } },
    then: { required: compiled.inputs.required },
    properties: {
      ...(envelope.properties as Schema),
      ...(inputs.properties as Schema),
      stages: stagesSchema(compiled, registry, defs),
      execution: {
        type: 'object',
        properties: Object.fromEntries(
          compiled.stages.map(({ name }) => [name, plain(executionSchema(), registry, 'execution', defs)]),
        ),
      },
    },
    additionalProperties: false,
    $defs: defs,
  }
}

function stagesSchema(pipeline: Pipeline, registry: Registry, defs: Schema): Schema {
  const added = readSchema('pipeline').$defs as { stage: object }
  defs['added-stage'] = { ...plain(added.stage, registry, 'added-stage', defs), required: ['uses'] }
  const properties: Schema = {}
  for (const { name, uses } of pipeline.stages) {
    const type = registry.stages.get(uses)
    const parameters: Schema = type ? { ...plain(type.parameters, registry, `stage-${uses}`, defs) } : {}
    // The pipeline's own `with` may hold what is required.
    delete parameters.required
    delete parameters.$schema
    delete parameters.$defs
    properties[name] = { anyOf: [parameters, { const: false }, { type: 'null' }] }
  }
  return { type: 'object', properties, additionalProperties: { $ref: '#/$defs/added-stage' } }
}

/** A schema whose keywords any editor knows. Definitions move to `defs`, under names that start with `owner`. */
function plain(schema: object, registry: Registry, owner: string, defs: Schema): Schema {
  const local = (schema as Schema).$defs as Record<string, object> | undefined
  const rename = owner === 'inputs' ? (name: string) => name : (name: string) => `${owner}.${name}`
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert)
    if (typeof value !== 'object' || value === null) return value
    const { quantity, blocks, ...rest } = value as Schema
    // Below `properties` the keywords are names of properties.
    if (isSchemaValue(quantity) || isSchemaValue(blocks))
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item)]))
    const converted = Object.fromEntries(
      Object.entries(rest).map(([key, item]) =>
        key === '$ref' && typeof item === 'string' ? [key, renameRef(item, rename)] : [key, convert(item)],
      ),
    )
    if (typeof quantity === 'string')
      return { ...quantitySchema(quantity as QuantityKind), ...describe(rest, quantity) }
    if (isPathFormat(rest)) return { minLength: 1, ...without(converted, 'format') }
    if (typeof blocks === 'string') return blockSchema(blocks as Slot, registry, defs)
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

const isPathFormat = ({ format }: Schema) => format === 'file' || format === 'folder' || format === 'path'

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
    schema.properties = { ...(schema.properties as Schema), block: { const: name } }
    return { if: { type: 'object', properties: { block: { const: name } } }, then: schema }
  })
  defs[`${slot}-block`] = {
    anyOf: [{ enum: names }, { type: 'object', required: ['block'], properties: { block: { enum: names } }, allOf }],
  }
  return { $ref: `#/$defs/${slot}-block` }
}
