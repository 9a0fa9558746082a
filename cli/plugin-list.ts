import type { Family } from '../api/index.js'
import type { PluginDescription } from '../plugins/loading/describe.js'

/** A plugin as `plugins ls --json` prints it (schema `plugin`, `$defs/description`), with where it comes from. */
export interface Listed {
  readonly name: string
  readonly version: string
  /** Of its code; none for what comes with puzzleflow. */
  readonly digest?: string
  readonly origin: 'built-in' | 'path' | 'package'
  /** Where it lies; none for what comes with puzzleflow. */
  readonly folder?: string
  readonly blocks: PluginDescription['blocks']
  readonly stages: PluginDescription['stages']
  readonly runs: PluginDescription['runs']
  readonly families: readonly Pick<Family, 'name' | 'modelTypes'>[]
  readonly pipelines: readonly string[]
}

/** All that a plugin holds, for people: what each type is for, and its parameters. */
export function listPlugin({
  name,
  version,
  digest,
  origin,
  folder,
  blocks,
  stages,
  runs,
  families,
  pipelines,
}: Listed): string {
  const parts = [
    `${name} ${version}, ${origin}`,
    ...(digest === undefined ? [] : [`digest ${digest.slice(0, 12)}`]),
    ...(folder === undefined ? [] : [folder]),
  ]
  return [
    parts.join(', '),
    ...blocks.flatMap((type) => listType(`${type.slot} block`, type)),
    ...runs.flatMap((type) => listType('run', type)),
    ...stages.flatMap((type) => listType('stage', type)),
    ...families.map((family) => `  family ${family.name}, for model_type ${family.modelTypes.join(', ')}`),
    ...pipelines.map((pipeline) => `  pipeline ${pipeline}`),
  ].join('\n')
}

/** A JSON Schema as far as it is shown. */
interface Property {
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly type?: string | readonly string[]
  readonly quantity?: string
}

function listType(
  kind: string,
  { name, version, about, parameters }: Listed['blocks' | 'stages' | 'runs'][number],
): string[] {
  const { properties = {}, required = [] } = parameters as {
    properties?: Readonly<Record<string, Property>>
    required?: readonly string[]
  }
  // Of an entry of the space, `block` is its name.
  const shown = Object.entries(properties).filter(([key, { const: fixed }]) => !(key === 'block' && fixed === name))
  const width = Math.max(0, ...shown.map(([key]) => key.length))
  return [
    `  ${kind} ${name}, version ${version}`,
    ...(about ? [`      ${about.summary}`] : []),
    ...shown.map(([key, property]) => `      ${key.padEnd(width)}  ${explain(property, required.includes(key))}`),
  ]
}

/** What a parameter is, in one line: at least what values it takes. */
function explain(property: Property, required: boolean): string {
  const { description, default: fallback } = property
  const text = description ?? valuesOf(property)
  const ended = /[.!?:]$/.test(text) ? text : `${text}.`
  if (required) return `${ended} Required.`
  return fallback === undefined || /\bDefault: /.test(text) ? ended : `${ended} Default: ${JSON.stringify(fallback)}.`
}

function valuesOf({ enum: values, type, quantity }: Property): string {
  if (values) return values.join(', ')
  if (quantity !== undefined) return quantity
  return type === undefined ? 'any value' : [type].flat().join(' or ')
}
